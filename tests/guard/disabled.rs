//! Installed ahead of a campaign, the guard is switched off until the campaign begins.

use crate::one_org::OneOrg;

use crate::world::{PLACES, World, lease, migration, reason, store_name};

async fn install_asleep(world: &World) -> Vec<String> {
    world.engine().install_guard_asleep(&migration(), &store_name("old")).await.unwrap()
}

#[tokio::test]
async fn ahead_of_a_campaign_it_sleeps_and_the_campaign_wakes_it_up() {
    let world = World::bare().await;
    assert_eq!(install_asleep(&world).await, PLACES);
    let status = world.status().await;
    assert_eq!(status.asleep, PLACES);
    assert_eq!((status.guarded.len(), status.unguarded.len()), (0, 0));
    assert_eq!(install_asleep(&world).await, [""; 0]);

    let engine = world.engine();
    engine.install_guard(&migration(), &store_name("new")).await.unwrap();
    let refused = reason(engine.capture(&lease("1")).await);
    assert!(refused.contains("it is not guarded; next: mover guard install old whole_org --awake"), "{refused}");
    assert_eq!(world.install().await, PLACES);
    let status = world.status().await;
    assert_eq!((status.guarded, status.asleep.len()), (PLACES.map(str::to_owned).to_vec(), 0));
    engine.capture(&lease("1")).await.unwrap();
    world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &["1 notes {1}"]).await;
    let event = "INSERT INTO events_2026_1 (id, org, at) VALUES (1, 1, '2026-01-01')";
    world.assert_logs(event, &["1 events {2026-01-01,1,1}"]).await;
}

#[tokio::test]
async fn what_is_awake_is_not_put_to_sleep() {
    let world = World::guarded().await;
    assert_eq!(install_asleep(&world).await, [""; 0]);
    assert_eq!(world.status().await.guarded, PLACES);
    let one_trigger = "ALTER TABLE notes DISABLE TRIGGER mover_guard_whole_org_insert";
    world.old.batch_execute(one_trigger).await.unwrap();
    assert_eq!(install_asleep(&world).await, ["public.notes"]);
    assert_eq!(world.status().await.guarded, PLACES);
}

/// Creating a trigger needs fewer rights than disabling it.
#[tokio::test]
async fn who_does_not_own_the_tables_installs_it_awake() {
    let world = World::bare().await;
    let rights = r#"CREATE ROLE lesser LOGIN; CREATE SCHEMA mover AUTHORIZATION lesser; GRANT USAGE ON SCHEMA "Odd {schema}" TO lesser;
        GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA public, "Odd {schema}" TO lesser"#;
    world.old.batch_execute(rights).await.unwrap();
    let engine = world.engine_as("lesser");
    assert_eq!(engine.install_guard_asleep(&migration(), &store_name("old")).await.unwrap(), PLACES);
    assert_eq!(world.status().await.guarded, PLACES);
}

#[tokio::test]
async fn nothing_sleeps_once_an_org_has_moved() {
    let world = World::guarded().await;
    world.set_mode("2", "moved").await;
    world.old.batch_execute("ALTER TABLE notes DISABLE TRIGGER USER").await.unwrap();
    let status = world.status().await;
    assert_eq!((status.unguarded, status.asleep.len()), (vec!["public.notes".to_owned()], 0));
    let drops = ["insert", "update", "delete", "truncate"]
        .map(|event| format!("DROP TRIGGER mover_guard_whole_org_{event} ON notes"));
    world.old.batch_execute(&drops.join(";")).await.unwrap();
    assert_eq!(install_asleep(&world).await, ["public.notes"]);
    assert_eq!(world.status().await.guarded, PLACES);
}

#[tokio::test]
async fn who_installs_it_for_later_does_not_undo_what_a_campaign_does() {
    let world = World::bare().await;
    let engine = std::sync::Arc::new(world.engine());
    let all = (0..8).map(|number| {
        let engine = std::sync::Arc::clone(&engine);
        tokio::spawn(async move {
            match number % 2 {
                0 => engine.install_guard(&migration(), &store_name("old")).await,
                _ => engine.install_guard_asleep(&migration(), &store_name("old")).await,
            }
        })
    });
    for installed in all.collect::<Vec<_>>() {
        installed.await.unwrap().unwrap();
    }
    assert_eq!(world.status().await.guarded, PLACES);
}
