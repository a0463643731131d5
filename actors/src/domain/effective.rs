//! Where applications send the requests of an org: the three flag hashes, read as applications read them. `dl_default`, then the
//! org's own, then `dl_override`; the later one wins, field by field, and values are compared exactly.
//!
//! Everything that compares flags with the place where an org lives asks here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::flags::{Fields, Routing};

/// The field that shuts an org, whatever a migration blocks with.
pub const SHUTTING_FIELD: &str = "503_mode";

/// The value with which such a field shuts.
const SHUT: &str = "true";

/// Which hash decides a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// `dl_default`
    Default,
    /// The org's own hash.
    Own,
    /// `dl_override`
    Override,
}

/// The three hashes that concern one org.
#[derive(Debug, Clone, Copy)]
pub struct Hashes<'a> {
    /// `dl_default`
    pub default: &'a Fields,
    /// The org's own.
    pub own: &'a Fields,
    /// `dl_override`
    pub over: &'a Fields,
}

impl<'a> Hashes<'a> {
    /// The value of a field that holds for the org, and which hash decides it.
    pub fn value(&self, field: &str) -> Option<(&'a str, Layer)> {
        let layers = [(self.over, Layer::Override), (self.own, Layer::Own), (self.default, Layer::Default)];
        layers.into_iter().find_map(|(hash, layer)| Some((hash.get(field)?.as_deref()?, layer)))
    }

    fn has(&self, field: &str, value: &str) -> bool {
        self.value(field).is_some_and(|(found, _)| found == value)
    }
}

/// Where the requests of an org go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// To the source.
    Source,
    /// To the target.
    Target,
    /// Some to each: the fields disagree.
    Both,
    /// Nowhere: a field has a value that means neither store.
    Unknown,
    /// Nowhere: no hash has the field.
    Unrouted,
}

/// What the flags mean for one org in one migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveRoute {
    /// Where its requests go.
    pub destination: Destination,
    /// Whether applications answer them with 503.
    pub shut: bool,
    /// Whether each field with which the migration blocks has its blocking value.
    pub blocked: bool,
    /// The fields that route it: name, value, and the hash that decides it.
    pub by: Vec<(String, Option<(String, Layer)>)>,
}

impl EffectiveRoute {
    /// The fields that route, as text: `dl_org_acme has cell = "old"`.
    pub fn because(&self, own: &str) -> String {
        let said = self.by.iter().map(|(field, value)| match value {
            Some((value, layer)) => {
                let hash = match layer {
                    Layer::Default => "dl_default",
                    Layer::Own => own,
                    Layer::Override => "dl_override",
                };
                format!("{hash} has {field} = {value:?}")
            }
            None => format!("no hash has {field}"),
        });
        said.collect::<Vec<_>>().join(", ")
    }
}

/// The fields whose value differs between source and target: only these route.
pub fn routing_fields(routing: &Routing) -> impl Iterator<Item = &str> {
    let differs = |field: &&String| routing.on_source.get(*field) != routing.on_target.get(*field);
    routing.on_target.keys().filter(differs).map(String::as_str)
}

/// All fields that [`effective_route`] reads.
pub fn fields_read(routing: &Routing) -> Vec<String> {
    let routes = routing_fields(routing);
    let mut fields: Vec<String> =
        routes.chain(routing.blocked.keys().map(String::as_str)).chain([SHUTTING_FIELD]).map(str::to_owned).collect();
    fields.sort();
    fields.dedup();
    fields
}

/// What the flags mean for an org.
pub fn effective_route(routing: &Routing, hashes: Hashes<'_>) -> EffectiveRoute {
    let (mut to_source, mut to_target, mut unknown, mut unrouted) = (false, false, false, false);
    let mut by = Vec::new();
    for field in routing_fields(routing) {
        let value = hashes.value(field);
        match value {
            None => unrouted = true,
            Some((value, _)) if is(&routing.on_source, field, value) => to_source = true,
            Some((value, _)) if is(&routing.on_target, field, value) => to_target = true,
            Some(_) => unknown = true,
        }
        by.push((field.to_owned(), value.map(|(value, layer)| (value.to_owned(), layer))));
    }
    let destination = match (to_source, to_target) {
        (true, true) => Destination::Both,
        _ if unknown => Destination::Unknown,
        _ if unrouted => Destination::Unrouted,
        (true, false) => Destination::Source,
        (false, true) => Destination::Target,
        (false, false) => Destination::Unrouted,
    };
    let blocked = !routing.blocked.is_empty() && routing.blocked.iter().all(|(field, value)| hashes.has(field, value));
    EffectiveRoute { destination, shut: blocked || hashes.has(SHUTTING_FIELD, SHUT), blocked, by }
}

/// Whether a field of a hash is a 503 that somebody set, as in a page of blocked orgs.
pub fn is_503(field: &str, value: Option<&str>) -> bool {
    field.ends_with(SHUTTING_FIELD) && value == Some(SHUT)
}

fn is(fields: &BTreeMap<String, String>, field: &str, value: &str) -> bool {
    fields.get(field).is_some_and(|wanted| wanted == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    fn texts(pairs: Pairs) -> BTreeMap<String, String> {
        pairs.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
    }

    fn fields(pairs: Pairs) -> Fields {
        texts(pairs).into_iter().map(|(field, value)| (field, Some(value))).collect()
    }

    fn routing(on_source: Pairs, on_target: Pairs, blocked: Pairs) -> Routing {
        Routing { on_source: texts(on_source), on_target: texts(on_target), blocked: texts(blocked) }
    }

    fn cell() -> Routing {
        routing(&[("cell", "old")], &[("cell", "new")], &[("503_mode", "true")])
    }

    fn components() -> Routing {
        let (old, new) = (&[("c_1", "true"), ("c_2", "true")], &[("c_1", "false"), ("c_2", "false")]);
        routing(old, new, &[("503_mode", "true")])
    }

    #[test]
    fn the_three_hashes_mean_what_applications_read_in_them() {
        use Destination::{Both, Source, Target, Unknown, Unrouted};
        // dl_default, the org's own, dl_override: destination, shut
        let cases: &[(Pairs, Pairs, Pairs, Destination, bool)] = &[
            (&[("cell", "old")], &[], &[], Source, false),
            (&[("cell", "old")], &[("cell", "new")], &[], Target, false),
            (&[("cell", "new")], &[("cell", "old")], &[], Source, false),
            (&[("cell", "old")], &[("cell", "new")], &[("cell", "old")], Source, false),
            (&[], &[("cell", "new")], &[], Target, false),
            (&[], &[], &[], Unrouted, false),
            (&[("cell", "")], &[], &[], Unknown, false),
            (&[("cell", "Old")], &[], &[], Unknown, false),
            (&[("cell", "old")], &[("cell", "older")], &[], Unknown, false),
            (&[("cell", "old"), ("503_mode", "true")], &[], &[], Source, true),
            (&[("cell", "old"), ("503_mode", "true")], &[("503_mode", "false")], &[], Source, false),
            (&[("cell", "old")], &[("503_mode", "true")], &[], Source, true),
            (&[("cell", "old")], &[("503_mode", "true")], &[("503_mode", "false")], Source, false),
            (&[("cell", "old")], &[("503_mode", "True")], &[], Source, false),
            (&[("cell", "old")], &[], &[("503_mode", "true")], Source, true),
            (&[("x", "y")], &[("503_mode", "true")], &[], Unrouted, true),
        ];
        for (default, own, over, destination, shut) in cases {
            let (default, own, over) = (fields(default), fields(own), fields(over));
            let hashes = Hashes { default: &default, own: &own, over: &over };
            let found = effective_route(&cell(), hashes);
            assert_eq!((found.destination, found.shut), (*destination, *shut), "{default:?} {own:?} {over:?}");
        }
        let cases: &[(Pairs, Pairs, Destination)] = &[
            (&[("c_1", "true"), ("c_2", "true")], &[("c_1", "false"), ("c_2", "false")], Target),
            (&[("c_1", "true"), ("c_2", "true")], &[("c_1", "false")], Both),
            (&[("c_1", "true")], &[], Unrouted),
            (&[("c_1", "true")], &[("c_2", "maybe")], Unknown),
            (&[], &[("c_1", "false"), ("c_2", "false")], Target),
        ];
        for (default, own, destination) in cases {
            let (default, own, over) = (fields(default), fields(own), Fields::new());
            let hashes = Hashes { default: &default, own: &own, over: &over };
            assert_eq!(effective_route(&components(), hashes).destination, *destination, "{default:?} {own:?}");
        }
    }

    #[test]
    fn a_removed_field_is_an_absent_one() {
        let (default, over) = (fields(&[("cell", "old")]), Fields::new());
        let own = Fields::from([("cell".to_owned(), None)]);
        let found = effective_route(&cell(), Hashes { default: &default, own: &own, over: &over });
        assert_eq!(found.destination, Destination::Source);
        assert_eq!(found.because("dl_org_acme"), "dl_default has cell = \"old\"");
    }

    #[test]
    fn a_field_that_is_the_same_in_both_stores_does_not_route() {
        let same = routing(&[("cell", "old"), ("v", "2")], &[("cell", "new"), ("v", "2")], &[("503_mode", "true")]);
        let (default, own, over) = (fields(&[("cell", "old")]), Fields::new(), Fields::new());
        let found = effective_route(&same, Hashes { default: &default, own: &own, over: &over });
        assert_eq!(found.destination, Destination::Source);
        assert_eq!(fields_read(&same), ["503_mode", "cell"]);
    }

    #[test]
    fn an_org_is_blocked_when_all_fields_of_its_migration_say_so() {
        let two = routing(&[("cell", "old")], &[("cell", "new")], &[("read_only", "yes"), ("503_mode", "true")]);
        let (default, over) = (fields(&[("cell", "old")]), Fields::new());
        for (own, shut, blocked) in [
            (fields(&[("503_mode", "true")]), true, false),
            (fields(&[("read_only", "yes")]), false, false),
            (fields(&[("read_only", "yes"), ("503_mode", "true")]), true, true),
        ] {
            let found = effective_route(&two, Hashes { default: &default, own: &own, over: &over });
            assert_eq!((found.shut, found.blocked), (shut, blocked), "{own:?}");
        }
    }

    #[test]
    fn only_a_503_that_is_set_is_one() {
        assert!(is_503("503_mode", Some("true")) && is_503("orgs_503_mode", Some("true")));
        assert!(!is_503("503_mode", Some("false")) && !is_503("503_mode", None) && !is_503("cell", Some("true")));
    }
}
