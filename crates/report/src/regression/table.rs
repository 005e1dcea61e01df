//! What moved since the baseline, as Markdown.

use fastersam_records::regression::{Comparison, RegressionRecord, Value, Verdict};

use crate::table::{Cell, Emphasis, Table};

/// A verdict in one word.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "within tolerance",
        Verdict::Better => "better",
        Verdict::Worse => "WORSE",
        Verdict::New => "new",
        Verdict::NotComparable => "not comparable",
    }
}

/// The change in percent, where both are numbers.
fn change(comparison: &Comparison) -> Option<f64> {
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::number);
    let (now, before) = (number(&comparison.now)?, number(&comparison.baseline)?);
    (before != 0.0).then(|| 100.0 * (now / before - 1.0))
}

/// What moved, worst first, and how many figures did not; with what could not be measured.
#[must_use]
pub fn markdown(record: &RegressionRecord, comparisons: &[Comparison]) -> String {
    let columns = [
        ("figure", "Figure"),
        ("baseline", "Baseline"),
        ("now", "Now"),
        ("change_percent", "Change (%)"),
        ("allowed", "Allowed"),
        ("verdict", "Result"),
    ];
    let mut table = Table::new("regression", "Regression suite", &columns);
    let is_quiet = |comparison: &&Comparison| matches!(comparison.verdict, Verdict::Same | Verdict::NotComparable);
    let mut moved: Vec<&Comparison> = comparisons.iter().filter(|comparison| !is_quiet(comparison)).collect();
    moved.sort_by_key(|comparison| match comparison.verdict {
        Verdict::Worse => 0,
        Verdict::Better => 1,
        _ => 2,
    });
    for comparison in moved {
        let value = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or(Cell::Missing, |value| Cell::Text(format!("{value} {}", comparison.unit).trim().into()))
        };
        let allowed = comparison.allowed.map(|(least, most)| {
            let [least, most] = [least, most].map(Value::Number);
            Cell::Text(format!("{least} to {most}"))
        });
        let is_worse = comparison.verdict == Verdict::Worse;
        table.rows.push((
            Emphasis::ours(is_worse),
            vec![
                Cell::text(&comparison.name),
                value(&comparison.baseline),
                value(&comparison.now),
                Cell::number(change(comparison), 2),
                allowed.unwrap_or(Cell::Missing),
                Cell::text(word(comparison.verdict)),
            ],
        ));
    }
    let count = |verdict| comparisons.iter().filter(|comparison| comparison.verdict == verdict).count();
    table.notes.push(format!(
        "{} figures are within tolerance, {} say nothing on this machine. Commit {} on {} ({}, {} threads).",
        count(Verdict::Same),
        count(Verdict::NotComparable),
        record.commit,
        record.machine.cpu,
        record.machine.kind,
        record.machine.threads
    ));
    table.notes.extend(record.skipped.iter().map(|skipped| format!("Not measured: {skipped}.")));
    if table.rows.is_empty() {
        // A heading over no rows says less than the sentence below it.
        let notes: Vec<String> = table.notes.iter().map(|note| format!("{note}\n")).collect();
        return format!("## Regression suite\n\nNothing moved.\n\n{}", notes.join("\n"));
    }
    table.to_markdown()
}
