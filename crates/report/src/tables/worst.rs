//! The cases that a method does worst on.

use fastersam_metrics::CaseScores;
use fastersam_records::{EvaluationRecord, slug};

use super::parts::{OURS, table};
use crate::names::place;
use crate::scores::{Protocol, case_mean};
use crate::table::{Cell, Emphasis, Table};

/// Cases of a table.
const MAX_CASES: usize = 5;

const COLUMNS: [(&str, &str); 9] = [
    ("case", "Case"),
    ("method", "Method"),
    ("setting", "Pausing"),
    ("dsc_percent_strict", "Dice, strict (%)"),
    ("dsc_percent_transunet", "Dice, transunet (%)"),
    ("worst_class", "Worst organ"),
    ("worst_dsc_percent", "Its Dice (%)"),
    ("missed", "Missed"),
    ("source", ""),
];

/// The worst cases of a record by their mean strict Dice, the worst organ of each, and what was missed or invented.
pub fn worst(dataset: &str, split: &str, record: &EvaluationRecord) -> Option<Table> {
    let id = slug(&format!("worst {dataset} {split}"));
    let title = format!("Worst cases on {}", place(dataset, split));
    let mut table = table(id, title, &COLUMNS).with_below(&["method", "setting"]);
    let mut sorted: Vec<(f64, &CaseScores)> =
        record.cases.iter().filter_map(|case| Some((case_mean(case, Protocol::Strict)?, case))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.case.cmp(&b.1.case)));
    for (mean, case) in sorted.into_iter().take(MAX_CASES) {
        let strict = |index: usize| Some(case.classes.get(index)?.strict?.dice);
        let names = || record.class_names.iter().enumerate();
        let worst = names().filter_map(|(at, name)| Some((strict(at)?, name))).min_by(|a, b| a.0.total_cmp(&b.0));
        let missed: Vec<&str> = names()
            .filter(|(at, _)| strict(*at).is_some() && case.classes[*at].surface_vox.is_none())
            .map(|(_, name)| name.as_str())
            .collect();
        table.rows.push((
            Emphasis::Ours,
            vec![
                Cell::text(&case.case),
                Cell::text(&record.method),
                if record.pause.pause_points.is_empty() {
                    Cell::Missing
                } else {
                    Cell::Text(record.pause.label())
                },
                Cell::percent(Some(mean), 2),
                Cell::percent(case_mean(case, Protocol::TransUnet), 2),
                worst.map_or(Cell::Missing, |(_, name)| Cell::text(name.as_str())),
                Cell::percent(worst.map(|(dice, _)| dice), 2),
                if missed.is_empty() { Cell::Missing } else { Cell::Text(missed.join(", ")) },
                Cell::text(OURS),
            ],
        ));
    }
    table.notes.push(
        "Means over the organs. Missed: organs that are in only one of both maps, not found or invented."
            .to_owned(),
    );
    (!table.rows.is_empty()).then_some(table)
}
