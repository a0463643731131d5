//! Words of commands that are printed to be pasted into a shell.

use std::path::Path;

/// A path as one word of a shell: in quotes if a character of it could mean something else there.
pub(super) fn in_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-%+,:@=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_would_read_them_otherwise() {
        for (path, word) in [
            ("/var/backups/m.org%201.2.backup", "/var/backups/m.org%201.2.backup"),
            ("/my files/a.backup", "'/my files/a.backup'"),
            ("a$(b)'c", "'a$(b)'\\''c'"),
            ("", "''"),
        ] {
            assert_eq!(in_shell(Path::new(path)), word);
        }
    }
}
