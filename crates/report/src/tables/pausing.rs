//! What pausing saves and what it costs.

use fastersam_records::{EvaluationRecord, TokenRecord, slug};

use super::parts::{OURS, table};
use crate::names::{place, points, timed};
use crate::results::Results;
use crate::scores::{Protocol, dice_change, scores};
use crate::settings::{never_of, setting, sweeps};
use crate::table::{Cell, Emphasis, Table};

const COLUMNS: [(&str, &str); 17] = [
    ("method", "Method"),
    ("pause_points", "Pause points"),
    ("setting", "Pausing"),
    ("recommended", "Recommended"),
    ("criterion", ""),
    ("context", ""),
    ("active_percent_after_points", "Active tokens after each point (%)"),
    ("head_accuracy_percent", "Pause-head accuracy on paused tokens (%)"),
    ("encoder_macs_saved_percent", "Encoder MACs saved (%)"),
    ("dsc_percent_transunet", "Dice, transunet (%)"),
    ("dsc_delta_transunet", "Change from no pausing (points)"),
    ("dsc_percent_strict", "Dice, strict (%)"),
    ("dsc_delta_strict", "Change from no pausing, strict (points)"),
    ("slices_per_s", "Slices/s"),
    ("speed_up_over_never", "Speed-up over no pausing"),
    ("source", ""),
    ("commit", ""),
];

/// Each setting of the sweep: tokens, MACs, scores, speed.
pub fn pausing(dataset: &str, split: &str, records: &[&EvaluationRecord], results: &Results) -> Option<Table> {
    let id = slug(&format!("pausing {dataset} {split}"));
    let mut table = table(id, format!("Pausing on {}", place(dataset, split)), &COLUMNS);
    for record in sweeps(records).iter().flat_map(|sweep| &sweep.records) {
        if let Some(tokens) = &record.tokens {
            table.rows.push((Emphasis::ours(record.pause.recommended), row(record, tokens, records, results)));
        }
    }
    table.notes.push(
        "One checkpoint for all settings of a method, without retraining. Changes are in percentage points of Dice, against \
         the same checkpoint without pausing."
            .into(),
    );
    if let Some(chosen_on) = records.iter().find_map(|record| record.pause.chosen_on.as_deref()) {
        table.notes.push(if chosen_on == split {
            "The recommended setting was chosen on this same split, which favors it.".into()
        } else {
            format!("The recommended setting was chosen on: {chosen_on}.")
        });
    }
    if let Some(speed) = records.iter().find_map(|record| results.throughput_of(record)) {
        table.notes.push(format!("Slices/s: {}.", timed(speed.scope, speed.batch_size)));
    }
    (!table.rows.is_empty()).then_some(table)
}

fn row(
    record: &EvaluationRecord,
    tokens: &TokenRecord,
    records: &[&EvaluationRecord],
    results: &Results,
) -> Vec<Cell> {
    let mut cells = vec![
        Cell::text(&record.method),
        Cell::Text(points(&record.pause.pause_points)),
        Cell::Text(setting(&record.pause)),
        if record.pause.recommended { Cell::text("yes") } else { Cell::Missing },
        Cell::text(&record.pause.criterion),
        Cell::text(&record.pause.context),
        shares(tokens.active_share_after_stage.iter().copied().map(Some)),
        shares(tokens.head_accuracy_on_paused.iter().copied()),
        Cell::percent(record.cost.as_ref().map(|cost| cost.encoder_macs_saved), 1),
    ];
    let never = never_of(record, records);
    for protocol in [Protocol::TransUnet, Protocol::Strict] {
        let change = never.and_then(|never| dice_change(record, never, protocol));
        cells.extend([Cell::percent(scores(record, protocol).dice, 2), Cell::percent(change, 2)]);
    }
    let speed = results.throughput_of(record);
    cells.extend([
        Cell::number(speed.map(|speed| speed.slices_per_s), 2),
        Cell::number(speed.map(|speed| speed.speed_up_over_never), 2),
        Cell::text(OURS),
        Cell::text(&record.provenance.commit),
    ]);
    cells
}

/// `58.2 / 10.6 / –`.
fn shares(shares: impl Iterator<Item = Option<f64>>) -> Cell {
    let text: Vec<String> = shares.map(|share| Cell::percent(share, 1).printed()).collect();
    if text.is_empty() { Cell::Missing } else { Cell::Text(text.join(" / ")) }
}
