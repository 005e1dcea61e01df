//! Our scores beside published ones.

use fastersam_records::{EvaluationRecord, PublishedSet};

use super::{OURS, emphasis, percent, table};
use crate::published::{Published, PublishedScores};
use crate::results::slug;
use crate::scores::{Protocol, scores};
use crate::settings::{is_never, points, setting};
use crate::table::{Cell, Column, Emphasis, Table};

/// Published rows and ours, both protocols, with the Dice of each class. Of a sweep, only `never` and the
/// recommended setting; the rest stands in [`pausing`].
pub fn comparison(
    dataset: &str,
    split: &str,
    records: &[&EvaluationRecord],
    published: &Published,
) -> Option<Table> {
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
    table.columns.extend(
        classes.iter().map(|class| Column::new(format!("dsc_percent_{}", slug(class).replace('-', "_")), class)),
    );
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
    for (index, record) in records.iter().enumerate() {
        if !is_shown(record, &records[..index]) {
            continue;
        }
        for protocol in [Protocol::TransUnet, Protocol::Strict] {
            let scores = scores(record, protocol);
            let interval = scores
                .interval
                .map(|(low, high)| Cell::Text(format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high)));
            let has_points = !record.pause.pause_points.is_empty();
            let mut cells = vec![
                Cell::text(&record.method),
                backbone_and_input(record.backbone.clone(), record.input_size.map(|size| size.to_string())),
                if has_points { Cell::Text(points(&record.pause.pause_points)) } else { Cell::Missing },
                if has_points { Cell::Text(recommended_setting(record)) } else { Cell::Missing },
                Cell::text(protocol.name()),
                percent(scores.dice, 2),
                percent(scores.interval.map(|interval| interval.0), 2),
                percent(scores.interval.map(|interval| interval.1), 2),
                interval.unwrap_or(Cell::Missing),
                Cell::number(scores.hd95_vox, 2),
                Cell::number(scores.hd95_mm, 2),
            ];
            cells.extend(
                (0..classes.len()).map(|class| percent(scores.per_class.get(class).copied().flatten(), 2)),
            );
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

fn backbone_and_input(backbone: Option<String>, input: Option<String>) -> Cell {
    let parts: Vec<String> = backbone.into_iter().chain(input).collect();
    if parts.is_empty() { Cell::Missing } else { Cell::Text(parts.join(" / ")) }
}

fn recommended_setting(record: &EvaluationRecord) -> String {
    let setting = setting(&record.pause);
    if record.pause.recommended { format!("{setting} (recommended)") } else { setting }
}

/// `never` once for each checkpoint, even where several lists of pause points were tried on it, and the
/// recommended settings.
fn is_shown(record: &EvaluationRecord, before: &[&EvaluationRecord]) -> bool {
    let weights = |record: &EvaluationRecord| record.provenance.weights_sha256.clone();
    let is_again = |other: &&EvaluationRecord| {
        is_never(&other.pause)
            && other.method == record.method
            && other.summary == record.summary
            && weights(other).is_some()
            && weights(other) == weights(record)
    };
    let is_first_never = is_never(&record.pause) && !before.iter().any(is_again);
    is_first_never || record.pause.recommended
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
