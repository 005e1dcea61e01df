//! What came out, one row for each checkpoint.

use fastersam_records::EvaluationRecord;

use super::parts::{OURS, table};
use crate::names::{place, points};
use crate::results::Results;
use crate::scores::{Protocol, dice_change, scores};
use crate::settings::{chosen_on, never_of};
use crate::table::{Cell, Emphasis, Table};

const COLUMNS: [(&str, &str); 13] = [
    ("method", "Method"),
    ("dataset", "Data set"),
    ("split", "Split"),
    ("dsc_percent_never", "Dice without pausing (%)"),
    ("dsc_percent", "Dice with pausing (%)"),
    ("dsc_delta", "Change (points)"),
    ("encoder_macs_saved_percent", "Encoder MACs saved (%)"),
    ("slices_per_s_never", "Slices/s without pausing"),
    ("slices_per_s", "Slices/s with pausing"),
    ("speed_up_over_never", "Speed-up"),
    ("setting", "Recommended pausing"),
    ("source", ""),
    ("commit", ""),
];

/// Each checkpoint without pausing beside its recommended setting; none where nothing is recommended.
pub fn summary(results: &Results) -> Option<Table> {
    let mut table = table("summary", "Without pausing and with the recommended pausing", &COLUMNS)
        .with_below(&["dataset", "split"]);
    for (dataset, split) in results.evaluated() {
        let records = results.evaluations_on(&dataset, &split);
        for record in records.iter().filter(|record| record.pause.recommended.is_some()) {
            if let Some(never) = never_of(record, &records) {
                table.rows.push((Emphasis::Ours, row(record, never, results)));
            }
        }
        let place = place(&dataset, &split);
        table.notes.extend(chosen_on(&records).into_iter().map(|note| format!("{place}: {note}")));
    }
    table.notes.push(
        "Mean Dice, transunet protocol. Speed: the whole model from network input to logits at the largest batch size that \
         was timed."
            .into(),
    );
    let recommended = results.evaluations.iter().filter(|record| record.pause.recommended.is_some());
    table.notes.extend(results.about_speed_ups(recommended.filter_map(|record| results.throughput_of(record))));
    (!table.rows.is_empty()).then_some(table)
}

fn row(record: &EvaluationRecord, never: &EvaluationRecord, results: &Results) -> Vec<Cell> {
    let dice = |record| Cell::percent(scores(record, Protocol::TransUnet).dice, 2);
    let speed = results.throughput_of(record);
    let speed_of_never = speed.and_then(|speed| results.never_of_speed(speed));
    vec![
        Cell::text(&record.method),
        Cell::text(&record.dataset),
        Cell::text(&record.split),
        dice(never),
        dice(record),
        Cell::percent(dice_change(record, never, Protocol::TransUnet), 2),
        Cell::percent(record.cost.as_ref().map(|cost| cost.encoder_macs_saved), 1),
        Cell::number(speed_of_never.map(|speed| speed.slices_per_s), 1),
        Cell::number(speed.map(|speed| speed.slices_per_s), 1),
        Cell::number(speed.map(|speed| results.speed_up(speed)), 2),
        Cell::Text(format!("{} at {}", record.pause.label(), points(&record.pause.used_points()))),
        Cell::text(OURS),
        Cell::text(&record.provenance.commit),
    ]
}
