//! How a migration definition routes its orgs: the flags of an org on the source, on the target, and while it is blocked.

use std::collections::BTreeMap;

use mover_actors::domain::flags::{Routing, is_internal};

use super::mistake::Place;
use super::reader::{Read, Section};

/// Reads `[flags]`; the defaults follow from the components.
pub(super) fn read(document: &mut Section<'_>, components: &[String]) -> Routing {
    // The values of components' flags: "true" is the old store.
    let by_component = |value: &str| -> BTreeMap<String, String> {
        components.iter().map(|component| (format!("couchdb_{component}"), value.to_owned())).collect()
    };
    let mut routing = Routing {
        on_source: by_component("true"),
        on_target: by_component("false"),
        blocked: BTreeMap::from([("503_mode".to_owned(), "true".to_owned())]),
    };
    let mut place = document.place().clone();
    if let Some(mut flags) = document.section("flags") {
        place = flags.place().clone();
        for (key, fields) in [
            ("on_source", &mut routing.on_source),
            ("on_target", &mut routing.on_target),
            ("blocked", &mut routing.blocked),
        ] {
            if let Some(given) = flags.section(key) {
                *fields = read_fields(document, given);
            }
        }
        flags.finish();
    }
    check(document, &place, &routing);
    routing
}

fn read_fields(document: &Section<'_>, section: Section<'_>) -> BTreeMap<String, String> {
    let fields = section.named_texts().into_iter();
    fields.filter_map(|(name, value)| Some((field_name(document, name)?, value.value))).collect()
}

fn check(document: &Section<'_>, place: &Place, routing: &Routing) {
    let Routing { on_source, on_target, blocked } = routing;
    if on_source.is_empty() && on_target.is_empty() {
        let problem = "nothing says where an org is routed: give components, or on_source and on_target in [flags]";
        document.lacks(place, problem);
        return;
    }
    for (one, fields, other, others) in
        [("on_source", on_source, "on_target", on_target), ("on_target", on_target, "on_source", on_source)]
    {
        for name in fields.keys().filter(|name| !others.contains_key(*name)) {
            document.wrong(place, format!("{one} has the field {name} and {other} has not: give it in both"));
        }
    }
    if on_source == on_target {
        document.wrong(place, "on_source and on_target are the same: no request would ever change its store");
    }
    if blocked.is_empty() {
        document.wrong(place, "blocked is empty: nothing would keep writers out while an org is copied");
    }
    for name in blocked.keys().filter(|name| on_source.contains_key(*name)) {
        document.wrong(place, format!("blocked has the field {name}, which routes the org: it cannot do both"));
    }
}

/// Checks the name of a flag, or of a component that becomes part of one.
pub(super) fn field_name(section: &Section<'_>, name: Read<String>) -> Option<String> {
    let checked = section.parsed(Some(name), |name| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        match name.chars().find(|c| !allowed(*c)) {
            _ if name.is_empty() => Err("the name of a flag is empty".to_owned()),
            _ if is_internal(&name) => Err(format!("{name} is written by Mover alone")),
            Some(_) => Err(format!("the name of a flag has only letters, digits, _ - and ., not {name:?}")),
            None => Ok(name),
        }
    });
    checked.map(|checked| checked.value)
}
