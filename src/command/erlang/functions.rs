//! The calls of the original system, and the meaning of each here.

use mover_actors::domain::campaign::{Control, Selection};
use mover_actors::domain::flags::Fields;
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::Aim;

use super::reply::Reply;
use super::term::Term;
use super::{Environment, Meaning};
use crate::command::error::Fault;
use crate::command::line::Span;
use crate::command::{Command, FlagHash, MigrateOptions, RetryFrom, Which};
use crate::nearest::{did_you_mean, nearest};

/// The migration of calls that name none.
const FIRST_MIGRATION: &str = "phase_2";

/// All fields of the endpoints for orgs.
const ORG_COMPONENTS: [&str; 3] = ["organizations", "associations", "association_requests"];

/// The module whose functions describe a migration.
const CALLBACK: &str = "M";

/// A call with its arguments evaluated.
pub(super) struct Call<'a> {
    pub(super) module: Option<&'a str>,
    pub(super) function: &'a str,
    pub(super) arguments: Vec<(Term, Span)>,
    pub(super) span: Span,
}

struct Function {
    module: &'static str,
    name: &'static str,
    arity: usize,
    read: fn(&Call<'_>, &mut Environment) -> Result<Meaning, Fault>,
}

const fn function(
    module: &'static str,
    name: &'static str,
    arity: usize,
    read: fn(&Call<'_>, &mut Environment) -> Result<Meaning, Fault>,
) -> Function {
    Function { module, name, arity, read }
}

/// Functions of the shell have no module.
const SHELL: &str = "";

const FUNCTIONS: [Function; 44] = [
    function("mover_manager", "migrate", 3, |call, environment| {
        let which = match &call.arguments[0] {
            (Term::Atom(all), _) if all == "all" => Selection::All,
            (Term::Integer(count), _) if *count > 0 => Selection::First(count.unsigned_abs()),
            (other, span) => {
                return Err(Fault::new(*span, format!("how many orgs: all, or a number from 1 on, not {other}")));
            }
        };
        let workers = call.number(1, "how many workers")?;
        Ok(migrate(call.migration(2)?, which, Some(workers), environment))
    }),
    function("mover_manager", "migrate_next", 1, |call, environment| {
        Ok(migrate(call.migration(0)?, Selection::First(1), None, environment))
    }),
    function("mover_manager", "status", 0, |_, _| {
        acts(Command::Status { migration: None, watch: false }, Reply::Status)
    }),
    function("mover_manager", "halt_actions", 0, |_, _| acts(Command::Control(Control::Halt), Reply::Halting)),
    function("mover_manager", "set_concurrency", 1, |call, _| match &call.arguments[0].0 {
        Term::Integer(number) if *number < 1 => {
            is(Term::tagged("error", Term::tagged("badarg", Term::Integer(*number))))
        }
        _ => {
            let workers = call.number(0, "how many workers")?;
            acts(Command::Control(Control::Concurrency(workers)), Reply::Concurrency(workers))
        }
    }),
    function("mover_manager", "ping", 0, |_, _| is(Term::atom("pong"))),
    // The list of orgs is read when it is needed, and is never stale.
    function("mover_manager", "create_account_dets", 0, |_, _| is(Term::atom("ok"))),
    function("mover_manager", "create_account_dets", 1, |_, _| is(Term::atom("ok"))),
    function("mover_manager", "get_account_dets", 0, |_, _| is(Term::atom("account_info"))),
    function("moser_acct_processor", "expand_org_info", 1, |call, _| {
        call.org_info(0)?;
        is(call.arguments[0].0.clone())
    }),
    function("moser_state_tracker", "insert_one_org", 2, |call, _| {
        acts(Command::OrgsAdd { orgs: vec![call.org_info(0)?], migration: call.migration(1)? }, Reply::Ok)
    }),
    function("moser_state_tracker", "capture_full_org_state_list", 2, |call, _| {
        acts(Command::OrgsCapture { migration: call.migration(1)? }, Reply::Ok)
    }),
    function("moser_state_tracker", "ready_remaining_migration", 1, |call, _| {
        acts(
            Command::OrgsReady { migration: call.migration(0)?, which: Which::Orgs(Selection::All) },
            Reply::Count("ready"),
        )
    }),
    function("moser_state_tracker", "ready_migration", 1, |call, _| ready(call.org(0)?, call.named(FIRST_MIGRATION)?)),
    function("moser_state_tracker", "ready_migration", 2, |call, _| ready(call.org(0)?, call.migration(1)?)),
    function("moser_state_tracker", "org_status", 1, |call, _| {
        acts(Command::Org { org: call.org(0)?, migration: None }, Reply::Moves)
    }),
    function("moser_state_tracker", "org_status", 2, |call, _| {
        acts(Command::Org { org: call.org(0)?, migration: Some(call.migration(1)?) }, Reply::Moves)
    }),
    function("moser_state_tracker", "unmigrated_orgs", 1, |call, _| list(call, Reply::Unmigrated)),
    function("moser_state_tracker", "migrated_orgs", 1, |call, _| list(call, Reply::Migrated)),
    function("mover_util", "reset_org", 2, |call, _| {
        retry(vec![call.org(0)?], call.migration(1)?, Reply::InState("retried", "failed"))
    }),
    function("mover_util", "reset_orgs", 2, |call, _| retry(call.orgs(0)?, call.migration(1)?, Reply::Ok)),
    function("mover_util", "reset_orgs_from_file", 2, |call, _| {
        let which = Which::File(call.text(0, "the path of a file")?.to_owned());
        acts(Command::Retry { migration: call.migration(1)?, which, from: RetryFrom::Failed }, Reply::Ok)
    }),
    function("mover_util", "wait_for_status", 0, |_, _| {
        acts(Command::Status { migration: None, watch: false }, Reply::Waits)
    }),
    function("mover_util", "populate_xdl_with_unmigrated_orgs", 0, |call, _| {
        acts(Command::OrgsForceOld { migration: call.named(FIRST_MIGRATION)? }, Reply::Each("forced"))
    }),
    function("mover_org_darklaunch", "disable_org_creation", 0, |_, _| {
        acts(Command::DarklaunchOrgCreation { on: false }, Reply::Ok)
    }),
    function("mover_org_darklaunch", "enable_org_creation", 0, |_, _| {
        acts(Command::DarklaunchOrgCreation { on: true }, Reply::Ok)
    }),
    function("mover_org_darklaunch", "disable_org", 1, |call, _| {
        acts(Command::Darklaunch503 { org: call.org(0)?, on: true }, Reply::Ok)
    }),
    function("mover_org_darklaunch", "enable_org", 1, |call, _| {
        acts(Command::Darklaunch503 { org: call.org(0)?, on: false }, Reply::Ok)
    }),
    function("mover_org_darklaunch", "org_to_couch", 2, |call, _| route(call, "true")),
    function("mover_org_darklaunch", "init_org_to_couch", 2, |call, _| route(call, "true")),
    function("mover_org_darklaunch", "org_to_sql", 2, |call, _| route(call, "false")),
    function("mover_org_darklaunch", "orgs_503_endpoint_mode", 1, |call, _| {
        acts(Command::DarklaunchOrgs503 { on: call.truth(0)? }, Reply::Ok)
    }),
    // Three fields that belong together, in one write.
    function("mover_org_darklaunch", "org_related_endpoints_to_couch", 1, |call, _| {
        let fields = couchdb(ORG_COMPONENTS, if call.truth(0)? { "true" } else { "false" });
        acts(Command::Darklaunch { hash: FlagHash::Default, fields }, Reply::Ok)
    }),
    function("application", "set_env", 3, |call, environment| {
        sleep_time(call)?;
        let ms = u64::from(call.number(2, "a number of milliseconds")?);
        environment.sleep_time_ms = Some(ms);
        acts(Command::Control(Control::SleepTimeMs(ms)), Reply::OkAlsoIdle)
    }),
    function("application", "get_env", 2, |call, environment| {
        sleep_time(call)?;
        let ms =
            environment.sleep_time_ms.or(environment.configured_sleep_time_ms).and_then(|ms| i64::try_from(ms).ok());
        is(ms.map_or(Term::atom("undefined"), |ms| Term::tagged("ok", Term::Integer(ms))))
    }),
    function("moser_chef_converter", "delete_all_org_and_global_groups_data", 0, |call, _| {
        // Referencing rows go before the rows that they reference.
        let back = ["global_groups", "org_user_invites", "org_user_association", "org"].map(|name| {
            let migration = call.named(name)?;
            let (which, options) = (Which::Orgs(Selection::All), MigrateOptions::default());
            Ok(Command::Migrate { aim: Aim::RollBack, migration, which, options })
        });
        Ok(Meaning::Commands(back.into_iter().collect::<Result<_, Fault>>()?, Reply::OkAlsoIdle))
    }),
    function(CALLBACK, "migration_type", 0, |call, _| {
        is(Term::Binary(short_name(call.module.unwrap_or_default()).to_owned()))
    }),
    // Nothing needs to be loaded.
    function(SHELL, "rr", 1, |_, _| is(Term::List(vec![Term::atom("org_info")]))),
    function(SHELL, "l", 1, |call, _| is(Term::tagged("module", call.arguments[0].0.clone()))),
    function(SHELL, "f", 0, |_, environment| {
        environment.bound.clear();
        is(Term::atom("ok"))
    }),
    function(SHELL, "b", 0, |_, environment| {
        is(Term::List(environment.bound.iter().map(|(name, term)| Term::tagged(name, term.clone())).collect()))
    }),
    function(SHELL, "q", 0, |_, _| acts(Command::Quit, Reply::Ok)),
    function("init", "stop", 0, |_, _| acts(Command::Quit, Reply::Ok)),
    function(SHELL, "help", 0, |_, _| acts(Command::Help { topic: None }, Reply::Text)),
];

/// The calls, without their arguments.
pub(super) fn calls() -> Vec<String> {
    let typed = |known: &Function| {
        let end = if known.arity == 0 { ")." } else { "" };
        let module = if known.module == CALLBACK { "mover_phase_2_migration_callback" } else { known.module };
        let colon = if module == SHELL { "" } else { ":" };
        format!("{module}{colon}{}({end}", known.name)
    };
    let mut calls: Vec<String> = FUNCTIONS.iter().map(typed).collect();
    calls.sort();
    calls.dedup();
    calls
}

/// The meaning of a call; an error names the nearest known function.
pub(super) fn meaning(call: &Call<'_>, environment: &mut Environment) -> Result<Meaning, Fault> {
    let module = call.module.map_or(SHELL, |module| if is_callback(module) { CALLBACK } else { module });
    let same = |known: &&Function| known.module == module && known.name == call.function;
    match FUNCTIONS.iter().filter(same).find(|known| known.arity == call.arguments.len()) {
        Some(known) => (known.read)(call, environment),
        None => Err(undefined(call, module)),
    }
}

fn undefined(call: &Call<'_>, module: &str) -> Fault {
    let shown = |module: Option<&str>, name: &str, arity: usize| match module {
        None | Some(SHELL) => format!("{name}/{arity}"),
        Some(module) => format!("{module}:{name}/{arity}"),
    };
    let asked = shown(call.module, call.function, call.arguments.len());
    let of_module = || FUNCTIONS.iter().filter(|known| known.module == module);
    let near = of_module().find(|known| known.name == call.function).or_else(|| {
        let name = nearest(call.function, of_module().map(|known| known.name))?;
        of_module().find(|known| known.name == name)
    });
    let suggestion = match near {
        Some(known) => format!("; there is {}", shown(call.module, known.name, known.arity)),
        None => {
            let modules = FUNCTIONS.iter().map(|known| known.module).filter(|known| ![SHELL, CALLBACK].contains(known));
            did_you_mean(module, modules)
        }
    };
    Fault::new(call.span, format!("** exception error: undefined function {asked}{suggestion}"))
}

fn acts(command: Command, reply: Reply) -> Result<Meaning, Fault> {
    Ok(Meaning::Commands(vec![command], reply))
}

fn is(term: Term) -> Result<Meaning, Fault> {
    Ok(Meaning::Value(term))
}

fn migrate(migration: MigrationName, which: Selection, workers: Option<u32>, environment: &Environment) -> Meaning {
    let options = MigrateOptions { workers, sleep_time_ms: environment.sleep_time_ms, ..MigrateOptions::default() };
    let command = Command::Migrate { aim: Aim::Migrate, migration, which: Which::Orgs(which), options };
    Meaning::Commands(vec![command], Reply::BurningCouches)
}

fn ready(org: OrgName, migration: MigrationName) -> Result<Meaning, Fault> {
    let which = Which::Orgs(Selection::Names(vec![org]));
    acts(Command::OrgsReady { migration, which }, Reply::InState("ready", "holding"))
}

fn retry(orgs: Vec<OrgName>, migration: MigrationName, reply: Reply) -> Result<Meaning, Fault> {
    let which = Which::Orgs(Selection::Names(orgs));
    acts(Command::Retry { migration, which, from: RetryFrom::Failed }, reply)
}

fn list(call: &Call<'_>, reply: Reply) -> Result<Meaning, Fault> {
    acts(Command::OrgsList { migration: call.migration(0)?, state: None, limit: Some(u32::MAX - 1) }, reply)
}

fn route(call: &Call<'_>, couchdb_is: &str) -> Result<Meaning, Fault> {
    let components = call.components(1)?;
    let fields = couchdb(components.iter().map(String::as_str), couchdb_is);
    acts(Command::Darklaunch { hash: FlagHash::Org(call.org(0)?), fields }, Reply::Ok)
}

/// The flags that say in which store components are.
fn couchdb<'a>(components: impl IntoIterator<Item = &'a str>, value: &str) -> Fields {
    components.into_iter().map(|component| (format!("couchdb_{component}"), Some(value.to_owned()))).collect()
}

fn sleep_time(call: &Call<'_>) -> Result<(), Fault> {
    for (place, known) in ["mover", "sleep_time"].into_iter().enumerate() {
        let (term, span) = &call.arguments[place];
        if term.characters() != Some(known) {
            return Err(Fault::new(*span, format!("{known} is expected here: sleep_time of mover is what can be set")));
        }
    }
    Ok(())
}

fn is_callback(module: &str) -> bool {
    module.starts_with("mover_") && module.ends_with("_migration_callback")
}

/// `mover_phase_2_migration_callback` -> `phase_2`
fn short_name(module: &str) -> &str {
    let inner = module.strip_prefix("mover_").and_then(|rest| rest.strip_suffix("_migration_callback"));
    inner.filter(|inner| !inner.is_empty()).unwrap_or(module)
}

impl Call<'_> {
    fn text(&self, place: usize, what: &str) -> Result<&str, Fault> {
        let (term, span) = &self.arguments[place];
        term.characters().ok_or_else(|| Fault::new(*span, format!("{what} is expected here, not {}", term.kind())))
    }

    fn number(&self, place: usize, what: &str) -> Result<u32, Fault> {
        let (term, span) = &self.arguments[place];
        let number = if let Term::Integer(number) = term { u32::try_from(*number).ok() } else { None };
        number.ok_or_else(|| Fault::new(*span, format!("{what}: a number is expected here, not {term}")))
    }

    /// `true`, `"true"` or `<<"true">>`
    fn truth(&self, place: usize) -> Result<bool, Fault> {
        match self.text(place, "\"true\" or \"false\"")? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Fault::new(self.arguments[place].1, "\"true\" or \"false\" is expected here")),
        }
    }

    /// The migration of a call that does not name it.
    fn named(&self, name: &str) -> Result<MigrationName, Fault> {
        MigrationName::new(name).map_err(|problem| Fault::new(self.span, problem.to_string()))
    }

    fn migration(&self, place: usize) -> Result<MigrationName, Fault> {
        let name = short_name(self.text(place, "a migration, e.g. mover_phase_2_migration_callback,")?);
        MigrationName::new(name).map_err(|problem| Fault::new(self.arguments[place].1, problem.to_string()))
    }

    fn org(&self, place: usize) -> Result<OrgName, Fault> {
        org(&self.arguments[place].0, self.arguments[place].1)
    }

    fn orgs(&self, place: usize) -> Result<Vec<OrgName>, Fault> {
        let (term, span) = &self.arguments[place];
        match term {
            Term::List(names) if !names.is_empty() => names.iter().map(|name| org(name, *span)).collect(),
            _ => Err(Fault::new(*span, "a list of orgs is expected here: [<<\"acme\">>,<<\"globex\">>]")),
        }
    }

    fn org_info(&self, place: usize) -> Result<OrgName, Fault> {
        let (term, span) = &self.arguments[place];
        let wanted = "a record is expected here: #org_info{org_name = <<\"acme\">>, account_info = AccountInfo}";
        let Term::Record(name, fields) = term else { return Err(Fault::new(*span, wanted)) };
        match fields.iter().find(|(field, _)| field == "org_name") {
            Some((_, value)) if name == "org_info" => org(value, *span),
            _ => Err(Fault::new(*span, wanted)),
        }
    }

    fn components(&self, place: usize) -> Result<Vec<String>, Fault> {
        let (term, span) = &self.arguments[place];
        let problem = || Fault::new(*span, "a list of components is expected here: [containers, groups]");
        let Term::List(components) = term else { return Err(problem()) };
        let named = |component: &Term| component.characters().map(str::to_owned).ok_or_else(problem);
        if components.is_empty() { Err(problem()) } else { components.iter().map(named).collect() }
    }
}

fn org(term: &Term, span: Span) -> Result<OrgName, Fault> {
    let problem =
        || Fault::new(span, format!("the name of an org is expected here, e.g. <<\"acme\">>, not {}", term.kind()));
    let name = term.characters().ok_or_else(problem)?;
    OrgName::new(name).map_err(|error| Fault::new(span, error.to_string()))
}
