//! Which tables there are: comparison, pausing, efficiency, published speeds.

use crate::record::{EvaluationRecord, PublishedSet};

use super::RECONSTRUCTION;
use super::published::{Published, PublishedScores, PublishedSpeed};
use super::results::{Results, is_never, never_of, points, setting, slug, sweeps};
use super::scores::{Protocol, scores};
use super::table::{Cell, Column, Emphasis, Table};

/// What the `source` column says of our own rows.
const OURS: &str = "this reconstruction";

fn table(id: String, title: String, columns: &[(&str, &str)]) -> Table {
    let columns = columns.iter().map(|(id, heading)| {
        if heading.is_empty() { Column::csv_only(*id) } else { Column::new(*id, *heading) }
    });
    Table { id, title, notes: vec![RECONSTRUCTION.into()], columns: columns.collect(), rows: Vec::new() }
}

fn percent(share: Option<f64>, decimals: usize) -> Cell {
    Cell::number(share.map(|share| 100.0 * share), decimals)
}

/// Published rows and ours, both protocols, with the Dice of each class. Of a sweep, only `never` and the
/// recommended setting; the rest stands in [`pausing`].
pub fn comparison(dataset: &str, split: &str, records: &[&EvaluationRecord], published: &Published) -> Option<Table> {
    let first = records.first()?;
    let classes = &first.class_names;
    let mut table = table(
        slug(&format!("comparison {dataset} {split}")),
        format!("Comparison on {dataset}, {split} split"),
        &[
            ("method", "Method"),
            ("input", "Backbone / input"),
            ("pause_points", "Pause points"),
            ("setting", "Pausing"),
            ("protocol", "Protocol"),
            ("dsc_percent", "DSC (%)"),
            ("dsc_percent_low", ""),
            ("dsc_percent_high", ""),
            ("dsc_interval", "95 % interval"),
            ("hd95_vox", "HD95 (voxels)"),
            ("hd95_mm", "HD95 (mm)"),
        ],
    );
    table.columns.extend(classes.iter().map(|class| Column::new(format!("dsc_percent_{}", slug(class).replace('-', "_")), class)));
    table.columns.extend([Column::new("source", "Source"), Column::csv_only("commit")]);

    let others = first.published.map(|set| match set {
        PublishedSet::Synapse => &published.synapse,
        PublishedSet::Acdc => &published.acdc,
    });
    for row in others.map_or(&[][..], |others| &others.rows) {
        let mut cells = vec![
            Cell::text(&row.method),
            backbone_and_input(row.backbone.clone(), row.input.clone()),
            Cell::Missing,
            Cell::Missing,
            Cell::text(Protocol::TransUnet.name()),
            Cell::Number(row.dice_percent, 2),
            Cell::Missing,
            Cell::Missing,
            Cell::Missing,
            Cell::number(row.hd95_vox, 2),
            Cell::Missing,
        ];
        cells.extend(classes.iter().map(|class| {
            let place = others.and_then(|others| place_of(class, others));
            Cell::number(place.and_then(|place| row.per_class.get(place).copied().flatten()), 2)
        }));
        cells.extend([Cell::text(format!("published: {}", row.source)), Cell::Missing]);
        table.rows.push((Emphasis::Published, cells));
    }
    for record in records.iter().filter(|record| is_never(&record.pause) || record.pause.recommended) {
        for protocol in [Protocol::TransUnet, Protocol::Strict] {
            let scores = scores(record, protocol);
            let interval = scores.interval.map(|(low, high)| Cell::Text(format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high)));
            let has_points = !record.pause.pause_points.is_empty();
            let mut cells = vec![
                Cell::text(&record.method),
                backbone_and_input(record.backbone.clone(), record.input_size.map(|size| size.to_string())),
                if has_points { Cell::Text(points(&record.pause)) } else { Cell::Missing },
                if has_points { Cell::Text(recommended_setting(record)) } else { Cell::Missing },
                Cell::text(protocol.name()),
                percent(scores.dice, 2),
                percent(scores.interval.map(|interval| interval.0), 2),
                percent(scores.interval.map(|interval| interval.1), 2),
                interval.unwrap_or(Cell::Missing),
                Cell::number(scores.hd95_vox, 2),
                Cell::number(scores.hd95_mm, 2),
            ];
            cells.extend((0..classes.len()).map(|class| percent(scores.per_class.get(class).copied().flatten(), 2)));
            cells.extend([Cell::text(OURS), Cell::text(&record.provenance.commit)]);
            table.rows.push((emphasis(record.pause.recommended), cells));
        }
    }
    table.notes.push(
        "Protocol transunet is what the papers print (an invented organ scores a perfect Dice, a missed one a perfect HD95); \
         strict leaves out a class that a volume does not have and counts an invented or missed organ as Dice 0 and the volume's diagonal."
            .into(),
    );
    if let Some(note) = records.iter().find_map(|record| record.dataset_note.as_ref()) {
        table.notes.push(format!("Our rows: {note}."));
    }
    if others.is_some() {
        table.notes.push(format!(
            "Published rows are scores on that data set's test patients; ours are on the {split} split. Published HD95 is in voxels, \
             although the papers' tables say mm. `as tabulated by later papers`: read in a later paper's table, not in the method's own paper."
        ));
    }
    Some(table)
}

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
    for record in sweeps(records).iter().flatten() {
        let Some(tokens) = &record.tokens else { continue };
        let mut cells = vec![
            Cell::text(&record.method),
            Cell::Text(points(&record.pause)),
            Cell::Text(setting(&record.pause)),
            Cell::text(if record.pause.recommended { "yes" } else { "no" }),
            Cell::text(&record.pause.criterion),
            Cell::text(&record.pause.context),
            shares(tokens.active_share_after_stage.iter().map(|share| Some(*share))),
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
        "One checkpoint for all settings of a method and its pause points. Changes are in points of Dice, against the same checkpoint \
         without pausing. The recommended setting was chosen on the validation split."
            .into(),
    );
    let speed = records.iter().find_map(|record| results.throughput_of(record));
    if let Some(speed) = speed {
        table.notes.push(format!("Slices/s: {}, batch {}.", speed.scope, speed.batch_size));
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Speed, memory and cost of everything that was measured.
pub fn efficiency(results: &Results) -> Table {
    let mut table = table(
        "efficiency".into(),
        "Efficiency".into(),
        &[
            ("dataset", "Data set"),
            ("method", "Method"),
            ("pause_points", "Pause points"),
            ("setting", "Setting"),
            ("scope", "Time covers"),
            ("batch_size", "Batch"),
            ("input_size_px", "Input (px)"),
            ("slices_per_s", "Slices/s"),
            ("ms_per_slice_median", "ms/slice, median"),
            ("ms_per_slice_p10", "10th pct."),
            ("ms_per_slice_p90", "90th pct."),
            ("speed_up_over_never", "Speed-up over never"),
            ("encoder_gmacs", "Encoder GMACs"),
            ("model_gmacs", "Model GMACs"),
            ("peak_memory_mib", "Peak memory (MiB)"),
            ("trained_parameters_million", "Parameters trained (M)"),
            ("parameters_million", "all (M)"),
            ("runs", "Runs"),
            ("device", "Device"),
            ("threads", "Threads"),
            ("cpu", ""),
            ("source", ""),
            ("commit", ""),
        ],
    );
    for record in &results.throughputs {
        let cost = record.cost.as_ref();
        table.rows.push((
            emphasis(record.pause.recommended),
            vec![
                Cell::text(&record.dataset),
                Cell::text(&record.method),
                Cell::Text(points(&record.pause)),
                Cell::Text(setting(&record.pause)),
                Cell::text(record.scope.to_string()),
                Cell::Number(record.batch_size as f64, 0),
                Cell::Number(record.input_size as f64, 0),
                Cell::number(Some(record.slices_per_s), 2),
                Cell::number(Some(record.ms_per_slice_median), 2),
                Cell::number(Some(record.ms_per_slice_p10), 2),
                Cell::number(Some(record.ms_per_slice_p90), 2),
                Cell::number(Some(record.speed_up_over_never), 2),
                Cell::number(cost.map(|cost| cost.encoder_gmacs), 3),
                Cell::number(cost.map(|cost| cost.model_gmacs), 3),
                Cell::number(record.peak_memory_mib, 0),
                Cell::number(cost.map(|cost| cost.trained_parameters as f64 / 1e6), 2),
                Cell::number(cost.map(|cost| cost.parameters as f64 / 1e6), 2),
                Cell::Number(record.runs as f64, 0),
                Cell::text(&record.provenance.device),
                Cell::Number(record.provenance.threads as f64, 0),
                Cell::text(&record.provenance.cpu),
                Cell::text(OURS),
                Cell::text(&record.provenance.commit),
            ],
        ));
    }
    table.notes.push(
        "GMACs per slice from shapes and the active tokens of that setting. Peak memory is the process' peak resident memory. \
         Speed-up: against the same checkpoint with the policy never in the same measurement."
            .into(),
    );
    table
}

/// Speeds that others published, on their machines.
pub fn published_speed(speeds: &[PublishedSpeed]) -> Table {
    let mut table = table(
        "published-speed".into(),
        "Published speeds, on other machines".into(),
        &[
            ("system", "System"),
            ("input", "Input (px)"),
            ("gmacs", "GMACs"),
            ("figure", "Figure"),
            ("unit", "Unit"),
            ("hardware", "Hardware"),
            ("source", "Source"),
        ],
    );
    table.rows = speeds
        .iter()
        .map(|speed| {
            let cells = vec![
                Cell::text(&speed.system),
                speed.input.clone().map_or(Cell::Missing, Cell::Text),
                Cell::number(speed.gmacs, 1),
                Cell::Text(speed.figure.to_string()),
                Cell::text(&speed.unit),
                Cell::text(&speed.hardware),
                Cell::text(format!("published: {}", speed.source)),
            ];
            (Emphasis::Published, cells)
        })
        .collect();
    table.notes = vec!["Context, not a comparison: hardware, precision and what the time covers all differ.".into()];
    table
}

fn backbone_and_input(backbone: Option<String>, input: Option<String>) -> Cell {
    let parts: Vec<String> = backbone.into_iter().chain(input).collect();
    if parts.is_empty() { Cell::Missing } else { Cell::Text(parts.join(" / ")) }
}

fn emphasis(recommended: bool) -> Emphasis {
    if recommended { Emphasis::Recommended } else { Emphasis::Ours }
}

fn recommended_setting(record: &EvaluationRecord) -> String {
    let setting = setting(&record.pause);
    if record.pause.recommended { format!("{setting} (recommended)") } else { setting }
}

/// `58.2 / 10.6 / –`.
fn shares(shares: impl Iterator<Item = Option<f64>>) -> Cell {
    let text: Vec<String> =
        shares.map(|share| share.map_or_else(|| "–".into(), |share| format!("{:.1}", 100.0 * share))).collect();
    if text.is_empty() { Cell::Missing } else { Cell::Text(text.join(" / ")) }
}

/// Column of a class in a published table. Names differ in order and spelling: `left kidney`,
/// `kidney_left`; `RV`, `right ventricle`.
fn place_of(class: &str, published: &PublishedScores) -> Option<usize> {
    let key = |name: &str| {
        let name = name.to_lowercase().replace(['_', '-'], " ");
        let name = match name.trim() {
            "right ventricle" | "right ventricle cavity" | "right ventricular cavity" => "rv",
            "myocardium" => "myo",
            "left ventricle" | "left ventricle cavity" | "left ventricular cavity" => "lv",
            other => other,
        };
        let mut words: Vec<String> = name.split_whitespace().map(Into::into).collect();
        words.sort();
        words
    };
    published.class_names.iter().position(|name| key(name) == key(class))
}
