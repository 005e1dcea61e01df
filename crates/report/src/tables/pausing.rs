//! What pausing saves and what it costs.

use fastersam_records::EvaluationRecord;

use super::{OURS, emphasis, percent, table};
use crate::results::{Results, slug};
use crate::scores::{Protocol, scores};
use crate::settings::{never_of, points, setting, sweeps};
use crate::table::{Cell, Table};

/// Each setting of the sweep: tokens, MACs, scores, speed.
pub fn pausing(dataset: &str, split: &str, records: &[&EvaluationRecord], results: &Results) -> Option<Table> {
    let mut table = table(
        slug(&format!("pausing {dataset} {split}")),
        format!("Pausing on {dataset}, {split} split"),
        &[
            ("method", "Method"),
            ("pause_points", "Pause points"),
            ("setting", "Setting"),
            ("recommended", "Recommended"),
            ("criterion", ""),
            ("context", ""),
            ("active_percent_after_points", "Active tokens after each point (%)"),
            ("head_accuracy_percent", "Head accuracy on paused tokens (%)"),
            ("encoder_macs_saved_percent", "Encoder MACs saved (%)"),
            ("dsc_percent_transunet", "DSC transunet (%)"),
            ("dsc_delta_transunet", "change to never (points)"),
            ("dsc_percent_strict", "DSC strict (%)"),
            ("dsc_delta_strict", "change to never, strict (points)"),
            ("slices_per_s", "Slices/s"),
            ("speed_up_over_never", "Speed-up over never"),
            ("source", ""),
            ("commit", ""),
        ],
    );
    let sweeps = sweeps(records);
    for record in sweeps.iter().flat_map(|sweep| &sweep.records) {
        let Some(tokens) = &record.tokens else {
            continue;
        };
        let mut cells = vec![
            Cell::text(&record.method),
            Cell::Text(points(&record.pause.pause_points)),
            Cell::Text(setting(&record.pause)),
            if record.pause.recommended { Cell::text("yes") } else { Cell::Missing },
            Cell::text(&record.pause.criterion),
            Cell::text(&record.pause.context),
            shares(tokens.active_share_after_stage.iter().copied().map(Some)),
            shares(tokens.head_accuracy_on_paused.iter().copied()),
            percent(record.cost.as_ref().map(|cost| cost.encoder_macs_saved), 1),
        ];
        let never = never_of(record, records);
        for protocol in [Protocol::TransUnet, Protocol::Strict] {
            let own = scores(record, protocol).dice;
            let reference = never.and_then(|never| scores(never, protocol).dice);
            let change = own.zip(reference).map(|(own, reference)| own - reference);
            cells.extend([percent(own, 2), percent(change, 2)]);
        }
        let speed = results.throughput_of(record);
        cells.extend([
            Cell::number(speed.map(|speed| speed.slices_per_s), 2),
            Cell::number(speed.map(|speed| speed.speed_up_over_never), 2),
            Cell::text(OURS),
            Cell::text(&record.provenance.commit),
        ]);
        table.rows.push((emphasis(record.pause.recommended), cells));
    }
    table.notes.push(
        "One checkpoint for all settings of a method, without training again. Changes are in points of Dice, against the same \
         checkpoint without pausing."
            .into(),
    );
    if let Some(chosen_on) = records.iter().find_map(|record| record.pause.chosen_on.as_deref()) {
        table.notes.push(if chosen_on == split {
            "The recommended setting was chosen on this same split, which favours it.".into()
        } else {
            format!("The recommended setting was chosen on: {chosen_on}.")
        });
    }
    let speed = records.iter().find_map(|record| results.throughput_of(record));
    if let Some(speed) = speed {
        table.notes.push(format!("Slices/s: {}, batch {}.", speed.scope, speed.batch_size));
    }
    (!table.rows.is_empty()).then_some(table)
}

/// `58.2 / 10.6 / –`.
fn shares(shares: impl Iterator<Item = Option<f64>>) -> Cell {
    let text: Vec<String> =
        shares.map(|share| share.map_or_else(|| "–".into(), |share| format!("{:.1}", 100.0 * share))).collect();
    if text.is_empty() { Cell::Missing } else { Cell::Text(text.join(" / ")) }
}
