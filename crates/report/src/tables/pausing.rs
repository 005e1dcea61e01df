//! What pausing saves and what it costs.

use fastersam_records::{EvaluationRecord, TokenRecord, slug};

use super::parts::{OURS, table};
use crate::names::{place, timed};
use crate::results::Results;
use crate::scores::{Protocol, dice_change, scores};
use crate::settings::{at_points, chosen_on, never_of, sweeps, used_points};
use crate::table::{Cell, Emphasis, Table};

const COLUMNS: [(&str, &str); 17] = [
    ("method", "Method"),
    ("setting", "Pausing"),
    ("pause_points", "Pause points"),
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
    let mut table = table(id, format!("Pausing on {}", place(dataset, split)), &COLUMNS).with_below(&["setting"]);
    for sweep in &sweeps(records) {
        for record in &sweep.records {
            if let Some(tokens) = &record.tokens {
                let cells = row(record, tokens, sweep.points(), records, results);
                table.rows.push((Emphasis::ours(record.pause.recommended.is_some()), cells));
            }
        }
    }
    table.notes.push(
        "One checkpoint for all settings of a method, without retraining. Changes are in percentage points of Dice, against \
         the same checkpoint without pausing."
            .into(),
    );
    table.notes.extend(chosen_on(records));
    if let Some(speed) = records.iter().find_map(|record| results.throughput_of(record)) {
        table.notes.push(format!("Slices/s: {}.", timed(speed.scope, speed.batch_size)));
    }
    let speeds = records.iter().filter_map(|record| results.throughput_of(record));
    table.notes.extend(results.about_speed_ups(speeds));
    (!table.rows.is_empty()).then_some(table)
}

fn row(
    record: &EvaluationRecord,
    tokens: &TokenRecord,
    points: &[usize],
    records: &[&EvaluationRecord],
    results: &Results,
) -> Vec<Cell> {
    let mut cells = vec![
        Cell::text(&record.method),
        Cell::Text(record.pause.label()),
        used_points(&record.pause),
        if record.pause.recommended.is_some() { Cell::text("yes") } else { Cell::Missing },
        Cell::text(record.pause.settings.criterion.name()),
        Cell::text(record.pause.settings.context.name()),
        shares(at_points(&record.pause, &tokens.active_share_after_stage, points).into_iter().map(Some)),
        shares(at_points(&record.pause, &tokens.head_accuracy_on_paused, points).into_iter()),
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
        Cell::number(speed.map(|speed| results.speed_up(speed)), 2),
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
