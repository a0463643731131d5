//! A campaign from a collector's point of view.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};

use crate::collector::Collector;
use crate::world::{ONLINE, World, in_system};

#[test]
fn a_move_is_a_span_and_its_steps_are_below_it() {
    in_system(async {
        let world = World::start().await;
        world.poison(&world.orgs[0]).await;
        let collector = Collector::start();
        for command in [format!("orgs capture {ONLINE}"), format!("orgs ready {ONLINE} all")] {
            assert!(world.program(&command).status().await.unwrap().success(), "{command}");
        }
        let mut program = world.program(&format!("migrate {ONLINE} all"));
        program.env("MOVER__TELEMETRY__OTLP_ENDPOINT", &collector.address);
        program.env("MOVER__TELEMETRY__SERVICE_NAME", "mover of a test");
        let ended = program.output().await.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "one org failed: {told}");
        assert!(!told.contains("traces are not taken"), "{told}");
        assert!(!told.contains("move{"), "spans are no part of log lines: {told}");

        let received = collector.received();
        assert_eq!(services(&received), ["mover of a test".to_owned()].into());
        let spans = spans(received);
        let moves: Vec<_> = spans.iter().filter(|span| span.name == "move").collect();
        let orgs: BTreeSet<_> = moves.iter().map(|span| text(&span.attributes, "org")).collect();
        assert_eq!(orgs, world.orgs.iter().map(|org| org.name.to_string()).collect());
        assert_eq!(moves.len(), world.orgs.len());
        for span in moves {
            let failed = text(&span.attributes, "org") == world.orgs[0].name.as_str();
            assert!(span.parent_span_id.is_empty());
            assert_eq!(text(&span.attributes, "migration"), ONLINE);
            assert_eq!(text(&span.attributes, "strategy"), "online");
            assert_eq!(text(&span.attributes, "outcome"), if failed { "failed" } else { "migrated" });
            assert!(number(&span.attributes, "epoch") > 0 && number(&span.attributes, "campaign") > 0);
            let status = span.status.as_ref().map_or(StatusCode::Unset, |status| status.code());
            assert_eq!(status == StatusCode::Error, failed, "{span:?}");

            let mut steps: Vec<_> = spans.iter().filter(|step| step.parent_span_id == span.span_id).collect();
            steps.sort_by_key(|step| step.start_time_unix_nano);
            let names: Vec<_> = steps.iter().map(|step| text(&step.attributes, "name")).collect();
            match failed {
                true => assert_eq!(names, ["capture", "copy", "abort"]),
                false => assert_eq!(names, ["capture", "copy", "catch_up", "verify", "switch"]),
            }
            for step in &steps {
                assert_eq!((step.name.as_str(), &step.trace_id), ("step", &span.trace_id));
                assert!(span.start_time_unix_nano <= step.start_time_unix_nano);
                assert!(step.start_time_unix_nano <= step.end_time_unix_nano);
                assert!(step.end_time_unix_nano <= span.end_time_unix_nano);
                let error = find(&step.attributes, "error").is_some();
                assert_eq!(error, failed && text(&step.attributes, "name") == "copy", "{step:?}");
            }
        }
        assert!(spans.iter().all(|span| ["move", "step"].contains(&span.name.as_str())), "others than Mover's own");
    });
}

fn services(received: &[ExportTraceServiceRequest]) -> BTreeSet<String> {
    let resources = received.iter().flat_map(|request| &request.resource_spans);
    resources.map(|spans| text(&spans.resource.as_ref().unwrap().attributes, "service.name")).collect()
}

fn spans(received: Vec<ExportTraceServiceRequest>) -> Vec<Span> {
    let resources = received.into_iter().flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    attribute.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    match find(attributes, key) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

fn number(attributes: &[KeyValue], key: &str) -> i64 {
    match find(attributes, key) {
        Some(Value::IntValue(number)) => *number,
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}
