//! Builds the world of commands and the running tree from a configuration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mover_actors::domain::ids::{IdError, StoreName};
use mover_actors::otp::{ChildSpec, GaveUp};
use mover_actors::ports::{FlagsError, LogError};
use mover_actors::tree::{Patience, Settings, Tree};
use thiserror::Error;

use crate::config::{AddressError, Config, Definitions, Mistakes, Override, Postgres, Store};
use crate::demo;
use crate::embedded::{EmbeddedError, Options, Servers, Watchdog};
use crate::engine::{self, LiveLimits, PgEngine, StoreError};
use crate::flags::RedisFlags;
use crate::operations::{self, CampaignDefaults, KeyInLog, Needs, OperationError, StartupDoctor, World};
use crate::state::{self, PgMoveLog, StateError};

/// The directory of the private servers, below the working directory.
pub const PRIVATE_DIR: &str = ".mover";

/// The default configuration file.
const CONFIG_FILE: &str = "mover.toml";

/// The private database of the move log.
pub const STATE_DATABASE: &str = "mover";

/// Why Mover could not start or continue.
#[derive(Debug, Error)]
pub enum AppError {
    /// The configuration or a definition is wrong.
    #[error("{0}")]
    Config(#[from] Mistakes),
    /// An address of a private server cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A name of a sample store is wrong.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The private servers could not be used.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The move log could not be opened.
    #[error("the move log (configuration [state]): {0}{next}", next = next_step(.0))]
    State(#[from] StateError),
    /// Redis was not usable.
    #[error("the flags (configuration [redis]): {0}")]
    Flags(#[from] FlagsError),
    /// A store was not usable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stores could not be compared with what the move log remembers of them.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The tree could not join the move log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An actor could not be kept alive.
    #[error("Mover ends: {0}")]
    GaveUp(#[from] GaveUp),
}

fn next_step(error: &StateError) -> &'static str {
    match error {
        StateError::Unreachable { .. } => "; next: see that Postgres runs there, or correct url in [state]",
        StateError::Login { .. } => "; next: correct user and password in [state]",
        _ => "",
    }
}

/// A configured Mover whose actors do not run yet.
pub struct App {
    /// The world of commands.
    pub world: World,
    config: Config,
    servers: Option<Arc<Servers>>,
}

/// The configuration: from the named file, else from `mover.toml` in the working directory, else the defaults.
pub fn load_config(named: Option<&Path>, overrides: &[Override]) -> Result<(Config, bool), Mistakes> {
    let here = PathBuf::from(CONFIG_FILE);
    let file = named.map(Path::to_owned).or_else(|| here.exists().then_some(here));
    let config = Config::load(file.as_deref(), overrides)?;
    Ok((config, file.is_some()))
}

impl App {
    /// Connects to the move log and brings its schema up to date.
    pub async fn open(config: Config, has_file: bool) -> Result<App, AppError> {
        let app = Self::connect(config, has_file).await?;
        app.world.log.migrate_schema().await?;
        Ok(app)
    }

    /// Connects to the move log and leaves its schema as it is. Stores and Redis are connected when they are needed.
    pub async fn connect(config: Config, has_file: bool) -> Result<App, AppError> {
        // A configuration without stores is about the sample stores, which are private, too.
        let private = config.state.is_none() || config.redis.is_none() || config.stores.is_empty();
        let servers = match private {
            true => Some(Arc::new(Servers::start(PRIVATE_DIR, Options::default()).await?)),
            false => None,
        };
        engine::show_refused_rows(config.log.customer_rows);
        let stores = stores(&config, servers.as_deref()).await?;
        let names: BTreeSet<StoreName> = stores.iter().map(|store| store.name().clone()).collect();
        let definitions = match has_file {
            true => Definitions::load(&config.migrations_dir, &names)?,
            false => Definitions::read(
                [("whole_org.toml", demo::WHOLE_ORG), ("whole_org_offline.toml", demo::WHOLE_ORG_OFFLINE)],
                &names,
            )?,
        };
        let log = Arc::new(PgMoveLog::new(state_pool(&config, servers.as_deref()).await?).acting_as(operator()));
        let flags = match (&config.redis, servers.as_deref()) {
            (Some(redis), _) => RedisFlags::open(redis.options().clone())?,
            (None, Some(servers)) => RedisFlags::open(servers.redis_url())?,
            (None, None) => unreachable!("private servers run where no Redis is named"),
        };
        let engine = PgEngine::new(stores, definitions.iter().cloned())
            .with_drain_budget(config.drain_budget)
            .with_live_limits(LiveLimits {
                range_rows: config.copy_range_rows,
                copy_kept: config.rolled_back_copy,
                ..LiveLimits::default()
            })
            .with_backups_in(config.backup_dir.clone())
            .with_backup_keys(Arc::new(KeyInLog(log.clone())));
        let world = World {
            log,
            flags: Arc::new(flags),
            engine: Arc::new(engine),
            definitions: Arc::new(definitions),
            campaign: CampaignDefaults { tuning: config.tuning, failure_policy: config.failure_policy },
            routes: Arc::default(),
        };
        Ok(App { world, config, servers })
    }

    /// The same world with its own connections to the move log and to Redis, for read requests: however many there are, they
    /// never take a connection that a move waits for.
    pub async fn world_for_readers(&self) -> Result<World, AppError> {
        let log = PgMoveLog::new(state_pool(&self.config, self.servers()).await?).acting_as(operator());
        Ok(World { log: Arc::new(log), flags: Arc::new(self.world.flags.beside()), ..self.world.clone() })
    }

    /// Where the move log is: its server and database, or the directory of the private servers.
    pub fn place(&self) -> String {
        let Some(state) = &self.config.state else { return PRIVATE_DIR.to_owned() };
        let options = state.options();
        let host = match options.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            _ => "localhost".to_owned(),
        };
        options.get_dbname().map_or(host.clone(), |database| format!("{host}/{database}"))
    }

    /// The private servers, if any part of this Mover uses them.
    pub fn servers(&self) -> Option<&Servers> {
        self.servers.as_deref()
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Starts the needed part of the tree and waits until it is up.
    pub async fn start(&self, needs: Needs) -> Result<Option<Tree>, AppError> {
        if needs == Needs::Tree {
            for found in operations::enforce(&self.world).await?.values() {
                tracing::error!(store = %found.store, "nothing is moved: {}; {}", found.text, found.next());
            }
        }
        let ports = self.world.ports();
        let first: Vec<ChildSpec> = self.servers.iter().cloned().map(Watchdog::spec).collect();
        let mut tree = match needs {
            Needs::Nothing => return Ok(None),
            Needs::Flags => Tree::start_flags_only(ports, self.settings(), first).await?,
            Needs::Tree => {
                let first = first.into_iter().chain([StartupDoctor::spec(self.world.clone())]).collect();
                Tree::start(ports, self.settings(), first).await?
            }
        };
        tree.up().await?;
        Ok(Some(tree))
    }

    fn settings(&self) -> Settings {
        Settings {
            node_name: node_name(),
            lease: self.config.lease,
            tuning: self.config.tuning,
            patience: Patience {
                step_budget_ms: u64::try_from(self.config.step_budget.as_millis()).unwrap_or(u64::MAX),
                crashes_max: 3,
            },
        }
    }

    /// Releases the private servers; the last user stops them.
    pub async fn close(self) -> Result<(), AppError> {
        if let Some(servers) = self.servers {
            servers.release().await?;
        }
        Ok(())
    }
}

async fn state_pool(config: &Config, servers: Option<&Servers>) -> Result<deadpool_postgres::Pool, AppError> {
    match (&config.state, servers) {
        (Some(state), _) => Ok(state::connect(state.options(), state.encryption(), state.pool_size).await?),
        (None, Some(servers)) => {
            servers.ensure_database(STATE_DATABASE).await?;
            let private = Postgres::at(&servers.postgres_url(STATE_DATABASE), Postgres::POOL_SIZE)?;
            Ok(state::connect(private.options(), private.encryption(), private.pool_size).await?)
        }
        (None, None) => unreachable!("private servers run where no state database is named"),
    }
}

async fn stores(config: &Config, servers: Option<&Servers>) -> Result<Vec<engine::Store>, AppError> {
    let mut stores = Vec::new();
    for (name, store) in &config.stores {
        let Store::Postgres(postgres) = store;
        stores.push(engine::Store::over(name.clone(), postgres)?);
    }
    if let (true, Some(servers)) = (stores.is_empty(), servers) {
        for name in ["old", "new"].map(StoreName::new) {
            let name = name?;
            servers.ensure_database(name.as_str()).await?;
            let url = servers.postgres_url(name.as_str());
            stores.push(engine::Store::open(name, &url, Postgres::POOL_SIZE)?);
        }
    }
    Ok(stores)
}

/// A unique name with the host and the process id.
fn node_name() -> String {
    let host = nix::unistd::gethostname().map_or_else(|_| "host".into(), |name| name.to_string_lossy().into_owned());
    format!("{host}/{}/{}", std::process::id(), &uuid::Uuid::new_v4().simple().to_string()[..8])
}

/// The user that the history names.
fn operator() -> String {
    let user = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    let user = std::env::var("SUDO_USER").ok().or_else(user).unwrap_or_else(|| "operator".into());
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    host.map_or(user.clone(), |host| format!("{user}@{host}"))
}
