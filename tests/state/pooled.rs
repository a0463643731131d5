//! A move log behind a pooler is refused: the locks of nodes and runs would be nobody's.

use mover::state::StateError;

use crate::pgbouncer::PgBouncer;
use crate::support::{Server, connect};

#[tokio::test(flavor = "multi_thread")]
async fn a_move_log_behind_a_pooler_is_refused_before_anything_is_set() {
    let server = Server::start().await;
    for pool in ["transaction", "statement", "session"] {
        let settings = format!("pool_mode = {pool}\ndefault_pool_size = 1\nserver_reset_query =");
        let pooler = PgBouncer::start(&server.postgres, &settings).await;
        let error = connect(&pooler.url("mover", "postgres"), 2).await.map(drop).unwrap_err();
        assert!(matches!(error, StateError::Pooled { .. }) && !error.is_transient(), "{pool}: {error:?}");
        let text = error.to_string();
        assert!(text.contains("connection pooler") && text.contains("[state]"), "{pool}: {text}");
        let url = pooler.url("mover", "postgres");
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let shown = client.simple_query("SHOW enable_seqscan").await.unwrap();
        let Some(tokio_postgres::SimpleQueryMessage::Row(row)) = shown.get(1) else { panic!("{shown:?}") };
        assert_eq!(row.get(0), Some("on"), "{pool}");
    }
}
