//! The report as a page of text.

use super::DemoReport;
use crate::demo::audit::Found;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

const TRY_NEXT: &str = "\
What to try next
  mover status                     the campaign, with its counts
  mover console                    all commands, with help
  mover exec 'org org_0007'        one org: its state, history and flags
  mover exec 'flags check'         what Redis says against what it should say
  mover clean                      stop the private servers and delete their data
";

pub(super) fn render(report: &DemoReport, colours: bool) -> String {
    let mut page = Page { text: String::new(), colours };
    campaign(report, &mut page);
    clients(report, &mut page);
    audit(report, &mut page);
    page.verdict(report.ok);
    page.text.push_str(TRY_NEXT);
    page.text
}

fn campaign(report: &DemoReport, page: &mut Page) {
    let figures = &report.campaign;
    let seconds = (figures.elapsed_ms as f64 / 1_000.0).max(0.001);
    let rate = |count: u64| grouped((count as f64 / seconds).round() as u64);
    page.title("The campaign");
    let orgs_per_second = figures.orgs_moved as f64 / seconds;
    page.line("orgs moved", &format!("{} of {}", grouped(figures.orgs_moved), grouped(figures.orgs)));
    page.line("took", &format!("{seconds:.1} s, {orgs_per_second:.1} orgs/s"));
    let megabytes = figures.bytes as f64 / 1e6;
    let rows = format!("{} ({megabytes:.1} MB), {} rows/s", grouped(figures.rows), rate(figures.rows));
    page.line("rows copied", &rows);
    page.line("verified", &format!("{} orgs, counts and hashes equal in both stores", grouped(figures.orgs_verified)));
    page.must_be_none("failures", figures.orgs_failed, "orgs");
    page.line("closed for writes", &format!("{} per org", figures.closed));
    if let Some(commit_us) = figures.commit_p50_us.filter(|commit_us| *commit_us > 0) {
        let times = |ms: u64| ms as f64 * 1_000.0 / commit_us as f64;
        let (p50, p99) = (times(figures.closed.p50_ms), times(figures.closed.p99_ms));
        let commit_ms = commit_us as f64 / 1_000.0;
        page.line(
            "one durable commit",
            &format!("p50 {commit_ms:.1} ms beside it: p50 is {p50:.1} times that, p99 {p99:.1} times"),
        );
    }
}

fn clients(report: &DemoReport, page: &mut Page) {
    let figures = &report.clients;
    page.title("The clients, who kept writing");
    let by_store =
        format!("{} in old, {} in new", grouped(figures.acknowledged_old), grouped(figures.acknowledged_new));
    page.line("writes acknowledged", &format!("{} ({by_store})", grouped(figures.acknowledged())));
    if figures.refused_503 > 0 {
        page.line("refused with 503", &format!("{} tries", grouped(figures.refused_503)));
        let waited = format!("{} writes, {}", grouped(figures.waited.count), figures.waited);
        page.line("waited because of it", &waited);
    }
    if figures.moved > 0 {
        let sent_on =
            format!("{} tries; {} needed more than one", grouped(figures.moved), figures.moved_more_than_once);
        page.line("sent on to the other", &sent_on);
        page.line(
            "took, with the wait",
            &format!("{} writes, {}", grouped(figures.moved_waited.count), figures.moved_waited),
        );
    }
    let others = [
        ("past the deadline", figures.too_late),
        ("without a route", figures.refused_no_route),
        ("failed, tried again", figures.failed),
        ("lost during COMMIT", figures.uncertain),
    ];
    for (name, count) in others.into_iter().filter(|(_, count)| *count > 0) {
        page.line(name, &format!("{} tries", grouped(count)));
    }
    if let Some(trouble) = &figures.last_trouble {
        page.line("last trouble", trouble);
    }
}

fn audit(report: &DemoReport, page: &mut Page) {
    let audit = &report.audit;
    page.title("The audit: every acknowledged write, looked for in the store its org is routed to");
    page.line("writes looked for", &grouped(audit.writes_checked));
    page.found("LOST", &audit.lost);
    page.found("doubled", &audit.doubled);
    page.found("orgs left in 503", &audit.blocked);
    if audit.orgs_on_old > 0 {
        page.must_be_none("orgs left in old", audit.orgs_on_old, "");
    }
    let rarer = [
        ("orgs without a route", &audit.unrouted),
        ("tables with too few", &audit.shrunken),
        ("rows left in new", &audit.left_in_new),
    ];
    for (name, found) in rarer.into_iter().filter(|(_, found)| found.count > 0) {
        page.found(name, found);
    }
    let maybe = audit.maybe_there + audit.maybe_not_there;
    if maybe > 0 {
        let split = format!("{} ({} there, {} not)", maybe, audit.maybe_there, audit.maybe_not_there);
        page.line("outcome never learned", &split);
    }
}

struct Page {
    text: String,
    colours: bool,
}

impl Page {
    fn title(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let title = self.painted(BOLD, title);
        self.text.push_str(&format!("{title}\n"));
    }

    fn line(&mut self, name: &str, value: &str) {
        self.text.push_str(&format!("  {name:<22} {value}\n"));
    }

    fn must_be_none(&mut self, name: &str, count: u64, unit: &str) {
        let colour = if count == 0 { GREEN } else { RED };
        let value = self.painted(colour, format!("{} {unit}", grouped(count)).trim_end());
        self.line(name, &value);
    }

    fn found(&mut self, name: &str, found: &Found) {
        self.must_be_none(name, found.count, "");
        for example in &found.examples {
            self.line("", example);
        }
    }

    fn verdict(&mut self, ok: bool) {
        let verdict = if ok {
            self.painted(GREEN, "Nothing was lost, nothing was duplicated, no org was left behind.")
        } else {
            self.painted(RED, "Not all is well: see above.")
        };
        self.text.push_str(&format!("\n{verdict}\n\n"));
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.into() }
    }
}

/// A number with separators between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::audit::Audit;
    use crate::demo::clients::ClientFigures;
    use crate::demo::report::CampaignFigures;

    fn parts() -> (CampaignFigures, ClientFigures, Audit) {
        let campaign = CampaignFigures {
            orgs: 300,
            orgs_moved: 300,
            orgs_verified: 300,
            rows: 60_999,
            bytes: 24_000_000,
            elapsed_ms: 20_000,
            closed: crate::demo::quantiles::Quantiles { count: 300, p50_ms: 20, p99_ms: 50, max_ms: 60 },
            commit_p50_us: Some(2_500),
            ..CampaignFigures::default()
        };
        let clients = ClientFigures { acknowledged_old: 1_000, acknowledged_new: 234, ..ClientFigures::default() };
        let audit = Audit { orgs_on_new: 300, writes_checked: 1_234, ..Audit::default() };
        (campaign, clients, audit)
    }

    #[test]
    fn a_good_demo_ends_with_zero_and_says_what_to_try() {
        let (campaign, clients, audit) = parts();
        let report = DemoReport::new(campaign, clients, audit);
        assert_eq!(report.exit_code(), 0);
        let text = report.to_text(false);
        for part in [
            "300 of 300",
            "60,999 (24.0 MB), 3,050 rows/s",
            "15.0 orgs/s",
            "p50 2.5 ms beside it: p50 is 8.0 times that, p99 20.0 times",
            "1,234",
            "Nothing was lost",
            "mover clean",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('\x1b'));
        assert!(report.to_text(true).contains(GREEN));
    }

    #[test]
    fn whatever_is_wrong_ends_with_one_and_is_named() {
        let lost = Found { count: 1, examples: vec!["org_0001, client 3".into()] };
        let spoils: [fn(&mut CampaignFigures, &mut Audit, Found); 6] = [
            |_, audit, found| audit.lost = found,
            |_, audit, found| audit.doubled = found,
            |_, audit, found| audit.blocked = found,
            |_, audit, _| audit.orgs_on_new -= 1,
            |campaign, _, _| campaign.orgs_failed = 1,
            |_, audit, _| audit.writes_checked -= 1,
        ];
        for spoil in spoils {
            let (mut campaign, clients, mut audit) = parts();
            spoil(&mut campaign, &mut audit, lost.clone());
            let report = DemoReport::new(campaign, clients, audit);
            assert_eq!(report.exit_code(), 1, "{report:?}");
            assert!(report.to_text(false).contains("Not all is well"));
        }
        let (campaign, clients, audit) = parts();
        let text = DemoReport::new(campaign, clients, Audit { lost, ..audit }).to_text(false);
        assert!(text.contains("org_0001, client 3"), "{text}");
    }
}
