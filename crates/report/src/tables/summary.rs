//! What came out, in one row a checkpoint.

use super::{OURS, percent, table};
use crate::results::Results;
use crate::scores::{Protocol, scores};
use crate::settings::{never_of, points, setting};
use crate::table::{Cell, Emphasis, Table};

/// Each checkpoint without pausing beside its recommended setting; none where nothing is recommended.
pub fn summary(results: &Results) -> Option<Table> {
    let mut table = table(
        "summary".into(),
        "Without pausing, and at the recommended setting".into(),
        &[
            ("dataset", "Data set"),
            ("split", "Split"),
            ("method", "Method"),
            ("dsc_percent_never", "DSC without pausing (%)"),
            ("setting", "Recommended"),
            ("dsc_percent", "DSC there (%)"),
            ("dsc_delta", "change (points)"),
            ("encoder_macs_saved_percent", "Encoder MACs saved (%)"),
            ("slices_per_s_never", "Slices/s without pausing"),
            ("slices_per_s", "Slices/s there"),
            ("speed_up_over_never", "Speed-up"),
            ("source", ""),
            ("commit", ""),
        ],
    );
    for (dataset, split) in results.evaluated() {
        let records = results.evaluations_on(&dataset, &split);
        for record in records.iter().filter(|record| record.pause.recommended) {
            let Some(never) = never_of(record, &records) else {
                continue;
            };
            let dice = |record| scores(record, Protocol::TransUnet).dice;
            let change = dice(record).zip(dice(never)).map(|(own, never)| own - never);
            let speed = results.throughput_of(record);
            let points = points(&record.pause.pause_points);
            table.rows.push((
                Emphasis::Ours,
                vec![
                    Cell::text(&dataset),
                    Cell::text(&split),
                    Cell::text(&record.method),
                    percent(dice(never), 2),
                    Cell::Text(format!("{} at {points}", setting(&record.pause))),
                    percent(dice(record), 2),
                    percent(change, 2),
                    percent(record.cost.as_ref().map(|cost| cost.encoder_macs_saved), 1),
                    Cell::number(results.throughput_of(never).map(|speed| speed.slices_per_s), 1),
                    Cell::number(speed.map(|speed| speed.slices_per_s), 1),
                    Cell::number(speed.map(|speed| speed.speed_up_over_never), 2),
                    Cell::text(OURS),
                    Cell::text(&record.provenance.commit),
                ],
            ));
        }
    }
    table.notes.push(
        "DSC: mean Dice under the protocol transunet. Speed: the whole model from network input to logits, at the largest \
         batch that was timed; both settings took turns in one measurement."
            .into(),
    );
    (!table.rows.is_empty()).then_some(table)
}
