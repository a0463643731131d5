//! Servers, sample stores, and a Mover that runs in the process of the test, or as a program.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use mover::app::App;
use mover::command;
use mover::config::Config;
use mover::demo::sample::{Sample, SampleOrg, Shape};
use mover::demo::{WHOLE_ORG, WHOLE_ORG_OFFLINE};
use mover::embedded::{Options, Private};
use mover::operations::{Interface, Needs, Outcome, Running, carry_out};
use mover_actors::domain::campaign::{Campaign, Phase};
use mover_actors::ports::MoveLog;
use mover_actors::tree::Tree;
use tempfile::TempDir;
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

pub(crate) const ONLINE: &str = "whole_org";
#[allow(dead_code, reason = "each test binary uses its part")]
pub(crate) const OFFLINE: &str = "whole_org_offline";
const ORGS: u32 = 8;
const ROWS: u64 = 600;

/// Runs a test as the program runs: with actors on this thread, and workers on others.
pub(crate) fn in_system(test: impl Future<Output = ()>) {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    actix_rt::System::with_tokio_rt(runtime).block_on(test);
}

pub(crate) struct World {
    pub(crate) servers: Private,
    pub(crate) app: App,
    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) orgs: Vec<SampleOrg>,
    dir: TempDir,
}

#[allow(dead_code, reason = "each test binary uses its part")]
impl World {
    /// Orgs in the old store, and nothing runs yet. A switch is never tried twice for being slow.
    pub(crate) async fn start() -> Self {
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-template");
        let servers = Private::start(Options::throwaway().template(template)).await.unwrap();
        for database in ["mover", "old", "new"] {
            servers.ensure_database(database).await.unwrap();
        }
        let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
        sample.reset(&Shape::demo().orgs(ORGS).rows(ROWS), |_| {}).await.unwrap();
        let orgs = sample.orgs().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        write_config(&servers, dir.path());
        let config = Config::load(Some(&dir.path().join("mover.toml")), &[]).unwrap();
        let app = App::open(config, true).await.unwrap();
        Self { servers, app, orgs, dir }
    }

    /// The program, where its configuration is.
    pub(crate) fn program(&self, command: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mover"));
        program.args(["exec", "--yes", command]).current_dir(self.dir.path()).kill_on_drop(true);
        program.env_remove("RUST_LOG");
        program
    }

    /// All actors.
    pub(crate) async fn tree(&self) -> Tree {
        self.app.start(Needs::Tree).await.unwrap().unwrap()
    }

    /// Carries out a command.
    pub(crate) async fn exec(&self, tree: &Tree, command: &str) -> Outcome {
        let command = command::parse(command).unwrap().unwrap();
        carry_out(&self.app.world, Some(&Running::from(tree)), Interface::Exec, &command).await.unwrap()
    }

    /// Moves orgs until the campaign has ended and the last actor of an org is gone.
    pub(crate) async fn campaign(&self, tree: &Tree, command: &str) -> Campaign {
        let campaign = self.begin(tree, command).await;
        self.ended(tree, &campaign).await
    }

    /// Begins to move orgs.
    pub(crate) async fn begin(&self, tree: &Tree, command: &str) -> Campaign {
        match self.exec(tree, command).await {
            Outcome::Campaign(campaign, _) => campaign,
            Outcome::Done(_) => panic!("{command} is no campaign"),
        }
    }

    /// Waits until a campaign has ended and the last actor of an org is gone.
    pub(crate) async fn ended(&self, tree: &Tree, campaign: &Campaign) -> Campaign {
        loop {
            let now = self.app.world.log.campaign(campaign.id).await.unwrap();
            if now.phase == Phase::Ended && orgs_in_flight(tree) == 0 {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A connection of one's own.
    pub(crate) async fn connect(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.servers.postgres_url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// This org cannot be copied from now on.
    pub(crate) async fn poison(&self, org: &SampleOrg) {
        let poison = "UPDATE cookbooks SET name = 'poison' WHERE org_id = $1";
        assert!(self.connect("old").await.execute(poison, &[&org.id]).await.unwrap() > 0);
        let refuse = "ALTER TABLE cookbooks ADD CONSTRAINT no_poison CHECK (name <> 'poison')";
        self.connect("new").await.batch_execute(refuse).await.unwrap();
    }
}

fn orgs_in_flight(tree: &Tree) -> usize {
    let root = tree.registry().tree().unwrap();
    root.children.iter().find(|child| child.id == "orgs").unwrap().children.len()
}

fn write_config(servers: &Private, dir: &Path) {
    let migrations = dir.join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    let patient = format!("{WHOLE_ORG}\n[limits]\nmax_block = \"60s\"\n");
    std::fs::write(migrations.join("whole_org.toml"), patient).unwrap();
    std::fs::write(migrations.join("whole_org_offline.toml"), WHOLE_ORG_OFFLINE).unwrap();
    let database = |section: &str, name: &str| format!("[{section}]\nurl = \"{}\"\n", servers.postgres_url(name));
    let text = format!(
        "[redis]\nurl = \"{}\"\n{}{}{}[engine]\nrolled_back_copy_ms = 0\n[campaign]\nconcurrency = 3\nsleep_time_ms = 20\n",
        servers.redis_url(),
        database("state", "mover"),
        database("stores.old", "old"),
        database("stores.new", "new"),
    );
    std::fs::write(dir.join("mover.toml"), text).unwrap();
}
