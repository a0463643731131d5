//! A snapshot of the registry as a nested tree, and its drawing.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::registry::{Kind, Row, State};

/// One child in a snapshot, with the children below it.
#[derive(Debug, Clone, Serialize)]
pub struct TreeNode {
    /// Its name under its supervisor.
    pub id: String,
    /// Its place in the whole tree: `root/orgs/acme`.
    pub path: String,
    /// Supervisor or worker.
    pub kind: Kind,
    /// Its state.
    pub state: State,
    /// How long it has been in that state.
    pub since_ms: u64,
    /// How often it was restarted.
    pub restarts: u32,
    /// Why its last incarnation ended.
    pub last_exit: Option<String>,
    /// Messages that wait for it or are being worked on.
    pub mailbox: usize,
    /// Its own note.
    pub note: String,
    /// Its children, in start order.
    pub children: Vec<TreeNode>,
    #[serde(skip)]
    parent: Option<Arc<str>>,
    #[serde(skip)]
    position: usize,
}

impl TreeNode {
    pub(crate) fn of(path: &str, row: &Row) -> Self {
        TreeNode {
            id: row.id.to_string(),
            path: path.to_owned(),
            kind: row.kind,
            state: row.state,
            since_ms: u64::try_from(row.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            restarts: row.restarts,
            last_exit: row.last_exit.as_ref().map(ToString::to_string),
            mailbox: row.mailbox_len(),
            note: row.note.clone(),
            children: Vec::new(),
            parent: row.parent.clone(),
            position: row.position,
        }
    }

    /// Puts every node under its parent. A child whose parent was removed between two reads is left out.
    pub(crate) fn grow(nodes: impl Iterator<Item = TreeNode>) -> Option<TreeNode> {
        let mut root = None;
        let mut below: HashMap<Arc<str>, Vec<TreeNode>> = HashMap::new();
        for node in nodes {
            match node.parent.clone() {
                Some(parent) => below.entry(parent).or_default().push(node),
                None => root = Some(node),
            }
        }
        let mut root = root?;
        root.adopt(&mut below);
        Some(root)
    }

    fn adopt(&mut self, below: &mut HashMap<Arc<str>, Vec<TreeNode>>) {
        let mut children = below.remove(self.path.as_str()).unwrap_or_default();
        children.sort_by(|a, b| (a.position, &a.id).cmp(&(b.position, &b.id)));
        children.iter_mut().for_each(|child| child.adopt(below));
        self.children = children;
    }

    fn lines<'a>(&'a self, lead: &str, branch: &str, into: &mut Vec<(String, &'a TreeNode)>) {
        into.push((format!("{lead}{branch}{}", self.id), self));
        let lead = match branch {
            "" => String::new(),
            "└── " => format!("{lead}    "),
            _ => format!("{lead}│   "),
        };
        let last = self.children.len().saturating_sub(1);
        for (at, child) in self.children.iter().enumerate() {
            child.lines(&lead, if at == last { "└── " } else { "├── " }, into);
        }
    }

    fn facts(&self) -> String {
        let mut facts = vec![format!("{:<10}", self.state.name())];
        facts.push(format!("{:>7}", span(Duration::from_millis(self.since_ms))));
        if self.mailbox > 0 {
            facts.push(format!("mailbox {}", self.mailbox));
        }
        if self.restarts > 0 {
            facts.push(format!("restarts {}", self.restarts));
        }
        if let Some(exit) = &self.last_exit {
            facts.push(format!("last {exit}"));
        }
        if !self.note.is_empty() {
            facts.push(self.note.clone());
        }
        facts.join("  ")
    }
}

/// One line for each child: its name in the tree, its state and since when, then the details that are not trivial.
impl fmt::Display for TreeNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        self.lines("", "", &mut lines);
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, node) in lines {
            writeln!(f, "{name:<width$}  {}", node.facts())?;
        }
        Ok(())
    }
}

/// A duration with two units at most.
fn span(time: Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{secs}s"),
        60..3_600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3_600..86_400 => format!("{}h{:02}m", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3_600),
    }
}
