//! What an online move needs beyond a [`Plan`]: statements about single rows, put together from both catalogs.

use std::collections::HashMap;
use std::sync::Arc;

use mover_actors::domain::ids::StoreName;
use mover_actors::domain::state::Way;
use mover_actors::ports::EngineError;
use mover_actors::protocol::Outline;

use crate::config::{Definition, TableRule, Tenancy};
use crate::engine::live::backed_up;
use crate::engine::live::keyed::{self, KeyColumn};
use crate::engine::live::lost::{self, Lost, LostColumn};
use crate::engine::live::orphans::Orphans;
use crate::engine::live::range::Ranging;
use crate::engine::live::subtree::{self, Branch};
use crate::engine::plan::ownership::{Orgs, Ownership};
use crate::engine::plan::sequences::FarBehind;
use crate::engine::plan::{Plan, TablePlan, hazard};
use crate::engine::schema::catalog::{Catalog, Table};
use crate::engine::schema::name::TableName;
use crate::engine::store::error::Doing;

/// An online move in one direction: the source of the plan is the leaving store, its target the receiving store.
#[derive(Debug)]
pub(in crate::engine) struct LivePlan {
    pub(in crate::engine) plan: Plan,
    way: Way,
    /// The tables as the protocol knows them.
    pub(in crate::engine) outline: Arc<[Outline]>,
    /// Parallel to the plan's tables.
    pub(super) tables: Vec<LiveTable>,
}

/// Statements about single rows of one table. Their keys are the parameters from `$2` on, those of the orgs `$1`.
#[derive(Debug)]
pub(in crate::engine) struct LiveTable {
    /// The columns of the primary key, in the order in which the log has their values.
    pub(super) key: Vec<String>,
    /// Reads rows as they are copied.
    pub(super) select: String,
    /// Removes rows from the receiving store.
    pub(super) delete: String,
    /// Removes at most `$2` rows of the orgs from the receiving store.
    pub(super) remove_some: String,
    /// The same, of those only that are in the backup that [`backed_up::load`] has loaded.
    pub(super) remove_backed_up: String,
    /// How many rows the orgs have in the receiving store, and the least key among these.
    pub(super) left: String,
    /// The table in the receiving store, for FROM.
    pub(super) from: String,
    pub(in crate::engine) leaving: LiveSide,
    pub(in crate::engine) receiving: LiveSide,
    /// Verifies the foreign keys of rows in the receiving store.
    pub(super) orphans: Orphans,
    /// The tables whose rows are found through rows of this one.
    pub(super) branches: Vec<Branch>,
    /// See [`Outline::depth`].
    depth: usize,
    pub(super) ranging: Ranging,
    /// Columns that the receiving store lacks.
    pub(super) lost: Option<Lost>,
}

/// One table in one store.
#[derive(Debug)]
pub(in crate::engine) struct LiveSide {
    /// Counts and hashes rows.
    pub(super) tally: String,
    /// The key as text and the hash of each row.
    pub(super) hashes: String,
}

impl LivePlan {
    /// Builds the statements, or returns what prevents it.
    pub(in crate::engine) fn make(
        given: &Definition,
        source: Catalog,
        target: Catalog,
        way: Way,
    ) -> Result<Self, EngineError> {
        let mut lost = HashMap::new();
        let (definition, leaving, receiving) = match way {
            Way::Forward => (given.clone(), source, target),
            Way::Back => {
                let definition = Definition { from: given.to.clone(), to: given.from.clone(), ..given.clone() };
                let mut leaving = target;
                // The source refuses a row with a label that it lacks when the row is carried over.
                leaving.types.forget_labels();
                lost = leave_out_columns(&mut leaving, &source);
                (definition, leaving, source)
            }
        };
        let mut plan = Plan::make(&definition, &leaving, &receiving)?;
        if way == Way::Back {
            // The way back leads to the store that has held the org before.
            plan.hazard = hazard(given, [(&given.from, &receiving), (&given.to, &leaving)]);
        }
        if !receiving.server.skips_triggers {
            let problem = "Mover's role may not write without triggers here, which an online move needs; run as superuser: \
                           GRANT SET ON PARAMETER session_replication_role TO the role that Mover logs in as";
            return Err(Doing::new(&definition.to, "planning the online move").refused(problem));
        }
        let branches = subtree::branches(&definition, &plan, &leaving, &receiving).map_err(|(table, problem)| {
            Doing::new(&definition.from, "planning the online move").on(&table).refused(problem)
        })?;
        let maker = Maker { definition: &definition, leaving: &leaving, receiving: &receiving, lost };
        let numbered = plan.tables.iter().zip(branches).enumerate();
        let made = numbered.map(|(number, (table, branches))| maker.table(number, table, branches));
        let tables = made.collect::<Result<Vec<LiveTable>, _>>()?;
        let outline = plan.tables.iter().zip(&tables).map(|(table, live)| Outline {
            label: table.label.clone(),
            key: live.key.clone(),
            depth: live.depth,
            has_branches: !live.branches.is_empty(),
        });
        Ok(Self { way, outline: outline.collect(), plan, tables })
    }

    /// What to do about sequences of the receiving store that are far behind.
    pub(in crate::engine) fn far_behind(&self) -> FarBehind {
        match self.way {
            Way::Forward => FarBehind::Refuse,
            Way::Back => FarBehind::Leave,
        }
    }

    /// The number of a table.
    pub(super) fn number_of(&self, label: &str) -> Option<usize> {
        self.plan.tables.iter().position(|table| table.label == label)
    }
}

/// On the way back the source has no place for columns that only the target has: returns those columns, table by table.
fn leave_out_columns(leaving: &mut Catalog, receiving: &Catalog) -> HashMap<TableName, Vec<LostColumn>> {
    let mut lost = HashMap::new();
    for (name, table) in &mut leaving.tables {
        if let Some(twin) = receiving.tables.get(name) {
            lost.insert(name.clone(), lost::columns(table, twin));
            table.columns.retain(|column| twin.column(&column.name).is_some());
        }
    }
    lost
}

struct Maker<'a> {
    definition: &'a Definition,
    leaving: &'a Catalog,
    receiving: &'a Catalog,
    lost: HashMap<TableName, Vec<LostColumn>>,
}

impl Maker<'_> {
    fn table(&self, number: usize, table: &TablePlan, branches: Vec<Branch>) -> Result<LiveTable, EngineError> {
        let refused = |store: &StoreName, problem: String| {
            Doing::new(store, "planning the online move").on(&table.label).refused(problem)
        };
        let (from, to) = (&self.definition.from, &self.definition.to);
        let missing = || refused(from, "the table does not exist".into());
        let rule = self.rule(&table.label).ok_or_else(missing)?;
        let here = self.leaving.tables.get(&rule.name).ok_or_else(missing)?;
        let there = self.receiving.tables.get(&rule.name).ok_or_else(missing)?;
        let key = common_key(here, there).map_err(|problem| refused(from, problem))?;
        let left = self.side(rule, self.leaving, here, &key, &table.source.hash).map_err(|p| refused(from, p))?;
        let right = self.side(rule, self.receiving, there, &key, &table.target.hash).map_err(|p| refused(to, p))?;
        let equal = |column: &KeyColumn| format!("b.{0} {1} t.{0}", column.quoted, column.equals);
        let equal: Vec<String> = right.key.iter().map(equal).collect();
        let is_backed_up =
            format!("EXISTS (SELECT FROM {} AS b WHERE {})", backed_up::name(number), equal.join(" AND "));
        Ok(LiveTable {
            remove_backed_up: keyed::delete(
                there,
                &format!("SELECT t.tableoid, t.ctid {} AND {is_backed_up} LIMIT $2::int8", table.target.rows()),
            ),
            left: format!("SELECT count(*), min({}) {}", keyed::key_text(&right.key), table.target.rows()),
            from: there.from.clone(),
            select: format!("SELECT {} {}", table.read.join(", "), left.rows),
            delete: keyed::delete(there, &format!("SELECT t.tableoid, t.ctid {}", right.rows)),
            remove_some: keyed::delete(
                there,
                &format!("SELECT t.tableoid, t.ctid {} LIMIT $2::int8", table.target.rows()),
            ),
            orphans: Orphans::of(self.receiving, there, &right.key, &right.belongs),
            branches,
            depth: self.depth(rule, 0),
            ranging: Ranging::of(rule, (here, &left.key), &right.key),
            lost: Lost::of(self.lost.get(&rule.name).cloned().unwrap_or_default(), table.source.rows(), &left.rows),
            leaving: left.side,
            receiving: right.side,
            key,
        })
    }

    fn side(
        &self,
        rule: &TableRule,
        catalog: &Catalog,
        table: &Table,
        key: &[String],
        hash: &str,
    ) -> Result<Made, String> {
        let columns: Vec<KeyColumn> =
            key.iter().map(|name| KeyColumn::of(catalog, table, name)).collect::<Result<_, _>>()?;
        let belongs = Ownership::new(catalog, &self.definition.tables).row_belongs(rule, Orgs::Cohort)?;
        let rows = format!("{} WHERE {belongs}", keyed::rows(&table.from, &columns, 2));
        Ok(Made {
            side: LiveSide {
                tally: format!("SELECT count(*), coalesce(sum({hash}), 0)::text {rows}"),
                hashes: format!("SELECT {}, {hash} {rows}", keyed::key_text(&columns)),
            },
            key: columns,
            belongs,
            rows,
        })
    }

    fn rule(&self, label: &str) -> Option<&TableRule> {
        self.definition.tables.iter().find(|rule| rule.name.to_string() == label)
    }

    fn depth(&self, rule: &TableRule, hops_before: usize) -> usize {
        let Tenancy::Via(hops) = &rule.tenancy else { return 0 };
        let of_parent = |parent: &TableRule| match hops_before > self.definition.tables.len() {
            true => 0,
            false => 1 + self.depth(parent, hops_before + 1),
        };
        let parents = hops.iter().filter_map(|hop| self.definition.tables.iter().find(|rule| rule.name == hop.parent));
        parents.map(of_parent).max().unwrap_or(1)
    }
}

/// What is built for one table in one store.
struct Made {
    side: LiveSide,
    key: Vec<KeyColumn>,
    belongs: String,
    rows: String,
}

/// The columns of the primary key in the order of the leaving store: its triggers write the log.
fn common_key(here: &Table, there: &Table) -> Result<Vec<String>, String> {
    let names = |table: &Table| -> Vec<String> { table.primary_key().iter().map(|c| c.name.clone()).collect() };
    let (key, twin) = (names(here), names(there));
    if key.is_empty() || twin.is_empty() {
        return Err(
            "it has no primary key, by which an online move finds a row that was changed; add one, or move with \
                    strategy = \"offline\""
                .into(),
        );
    }
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    if sorted(key.clone()) != sorted(twin.clone()) {
        let (key, twin) = (key.join(", "), twin.join(", "));
        return Err(format!("its primary key is ({key}) here and ({twin}) in the other store; make them alike"));
    }
    Ok(key)
}
