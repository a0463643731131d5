//! Every path of the OpenAPI document, requested with all kinds of values: each answer is one that the document has.

use std::collections::BTreeMap;

use proptest::test_runner::{Config, RngSeed, TestRunner};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::served::Served;
use crate::world::ONLINE;

const TRIES: u32 = 12;

/// Values that are valid somewhere and invalid elsewhere.
const TEXTS: [&str; 24] = [
    "whole_org",
    "whole_org_offline",
    "org_0001",
    "1",
    "2",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "ready",
    "started",
    "x",
    "%20",
    "%00",
    "%F0%9F%92%A9",
    "a%2Fb",
    "..%2f",
    "%3Cscript%3E",
    "true",
    "null",
    "1440",
    "65536",
    "org_",
];

/// Any JSON value.
fn value(random: &mut StdRng, depth: u32) -> Value {
    match random.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!(random.random::<i64>()),
        3 => json!(random.random::<f64>()),
        4 => json!(TEXTS[random.random_range(0..TEXTS.len())]),
        5 => json!(random.random::<char>().to_string().repeat(random.random_range(0..40))),
        6 => (0..random.random_range(0..4)).map(|_| value(random, depth - 1)).collect(),
        _ => Value::Object(
            (0..random.random_range(0..4)).map(|_| (word(random).to_owned(), value(random, depth - 1))).collect(),
        ),
    }
}

fn word(random: &mut StdRng) -> &'static str {
    const WORDS: [&str; 10] =
        ["command", "confirm", "approve", "migration", "wait_ms", "x", "status", "orgs", "list", "help"];
    WORDS[random.random_range(0..WORDS.len())]
}

/// A body that is right in part.
fn body(random: &mut StdRng) -> Value {
    match random.random_range(0..5) {
        0 => value(random, 3),
        1 => json!({ "command": value(random, 2) }),
        2 => json!({ "command": [word(random), word(random), value(random, 1)] }),
        3 => json!({ "approve": value(random, 0), "migration": value(random, 0) }),
        _ => json!({ "migration": "whole_org", "wait_ms": random.random_range(0..50) }),
    }
}

struct Operation {
    method: Method,
    path: String,
    queries: Vec<String>,
    has_body: bool,
    answers: BTreeMap<u16, Value>,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let queries = parameters.iter().filter(|parameter| parameter["in"] == "query");
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                queries: queries.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect(),
                has_body: operation.get("requestBody").is_some(),
                answers: operation["responses"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(status, answer)| (status.parse().unwrap(), answer.clone()))
                    .collect(),
            });
        }
    }
    operations
}

fn path(operation: &Operation, random: &mut StdRng) -> String {
    let mut path = String::new();
    for (at, part) in operation.path.split('{').enumerate() {
        match (at, part.split_once('}')) {
            (1.., Some((_, rest))) => {
                path.push_str(TEXTS[random.random_range(0..TEXTS.len())]);
                path.push_str(rest);
            }
            _ => path.push_str(part),
        }
    }
    let queries = operation.queries.iter().filter(|_| random.random_bool(0.5));
    let queries: Vec<_> = queries
        .cloned()
        .collect::<Vec<_>>()
        .into_iter()
        .map(|name| format!("{name}={}", TEXTS[random.random_range(0..TEXTS.len())]))
        .collect();
    if queries.is_empty() { path } else { format!("{path}?{}", queries.join("&")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_that_the_document_has() {
    let served = Served::with(ONLINE, "requests_per_second = 100000").await;
    // One org is of a migration whose definition is gone.
    let gone = "UPDATE mover.org_migration_state SET migration = 'gone' WHERE org_name = 'org_0005'";
    assert_eq!(served.move_log().await.execute(gone, &[]).await.unwrap(), 1);
    let document = served.get("", "/api/v1/openapi.json").await.with(200);
    let operations = operations(&document);
    assert!(operations.len() > 25, "{}", operations.len());
    let seed = match TestRunner::new(Config::default()).config().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => rand::random(),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    // A stream has no end.
    for operation in operations.iter().filter(|operation| !operation.path.ends_with("/events")) {
        for _ in 0..TRIES {
            let path = path(operation, &mut random);
            let mut headers = vec![("authorization", format!("Bearer {}", served.admin))];
            let body = operation.has_body.then(|| body(&mut random).to_string());
            if body.is_some() {
                headers.push(("content-type", "application/json".to_owned()));
            }
            let answer = served.ask(operation.method.clone(), &path, &headers, body.clone()).await;
            let said = format!("{} {path} {body:?}: {answer:?}", operation.method);
            assert!(answer.status < 500, "{said}");
            let documented = operation.answers.get(&answer.status).unwrap_or_else(|| panic!("not documented: {said}"));
            let kind = answer.headers["content-type"].to_str().unwrap();
            let kind = kind.split(';').next().unwrap_or_default();
            let content = &documented["content"][kind];
            assert!(!content.is_null(), "this content type is not documented: {said}");
            let mut schema = content["schema"].clone();
            schema["components"] = document["components"].clone();
            let schema = jsonschema::draft202012::new(&schema).unwrap();
            if kind == "text/plain" {
                continue;
            }
            let json = answer.json();
            let wrong: Vec<_> =
                schema.iter_errors(&json).map(|error| format!("{error} at {}", error.instance_path())).collect();
            assert!(wrong.is_empty(), "{wrong:?}\n{said}");
        }
    }
}
