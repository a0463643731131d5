//! `check`: what a store would do by itself with the rows that Mover writes.

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::schema::catalog::Catalog;
use crate::engine::store::Store;

/// Reports that for one store.
pub(in crate::engine) fn check_own_writes(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) {
    for hazard in &catalog.hazards {
        let table = catalog.tables.iter().find(|(_, table)| table.oid == hazard.table_oid);
        let Some((name, _)) = table else { continue };
        let subject = format!("table {name} in {}", store.name());
        let remedy = Remedy::run(store.name(), &*hazard.sql);
        match hazard.is_problem(definition, store.name()) {
            true => report.problem(subject, &*hazard.text, remedy),
            false => report.warning(subject, &*hazard.text, remedy),
        }
    }
}
