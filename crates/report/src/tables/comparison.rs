//! Our scores beside published ones.

use fastersam_records::{EvaluationRecord, PublishedSet, slug};

use super::parts::{OURS, table};
use crate::names::place;
use crate::published::{Published, PublishedRow, PublishedScores};
use crate::scores::{Protocol, scores};
use crate::settings::{chosen_on, used_points};
use crate::table::{Cell, Column, Emphasis, Table};

/// The columns before those of the classes.
const COLUMNS: [(&str, &str); 11] = [
    ("method", "Method"),
    ("input", "Backbone / input"),
    ("pause_points", "Pause points"),
    ("setting", "Pausing"),
    ("protocol", "Protocol"),
    ("dsc_percent", "Dice (%)"),
    ("dsc_percent_low", ""),
    ("dsc_percent_high", ""),
    ("dsc_interval", "95% CI"),
    ("hd95_vox", "HD95 (voxels)"),
    ("hd95_mm", "HD95 (mm)"),
];

/// Published rows and ours, both protocols, with the Dice of each class. Of a sweep, only `never` and the
/// recommended setting; the rest stands in [`pausing`](super::pausing).
pub fn comparison(
    dataset: &str,
    split: &str,
    records: &[&EvaluationRecord],
    published: &Published,
) -> Option<Table> {
    let first = records.first()?;
    let classes = &first.class_names;
    let id = slug(&format!("comparison {dataset} {split}"));
    let mut table = table(id, format!("Comparison on {}", place(dataset, split)), &COLUMNS);
    let class_id = |class: &String| format!("dsc_percent_{}", slug(class).replace('-', "_"));
    table.columns.extend(classes.iter().map(|class| Column::new(class_id(class), class)));
    table.columns.extend([Column::new("source", "Source"), Column::csv_only("commit")]);

    let others = first.published.map(|set| match set {
        PublishedSet::Synapse => &published.synapse,
        PublishedSet::Acdc => &published.acdc,
    });
    if let Some(others) = others {
        let places = places_of(classes, others);
        table.rows.extend(others.rows.iter().map(|row| (Emphasis::Published, published_row(row, &places))));
    }
    let shown = |(index, record): &(usize, &&EvaluationRecord)| is_shown(record, &records[..*index]);
    for (_, record) in records.iter().enumerate().filter(shown) {
        for protocol in [Protocol::TransUnet, Protocol::Strict] {
            table.rows.push((
                Emphasis::ours(record.pause.recommended.is_some()),
                own_row(record, protocol, classes.len()),
            ));
        }
    }
    table.notes.push(
        "The transunet protocol is what the papers print: an organ that is only in the prediction scores a Dice of 1, and \
         an organ that was missed scores an HD95 of 0. The strict protocol counts both as Dice 0 and as an HD95 of the \
         volume's diagonal, and leaves out organs that are neither in the volume nor in the prediction."
            .into(),
    );
    table.notes.extend(chosen_on(records));
    if let Some(note) = records.iter().find_map(|record| record.dataset_note.as_ref()) {
        table.notes.push(format!("Our rows: {note}."));
    }
    if others.is_some() {
        table.notes.push(format!(
            "Published rows are scores on that data set's test patients; ours are for {}. Published HD95 is in voxels, \
             although the papers' tables say mm. `as tabulated by later papers`: taken from a later paper's table, not \
             from the method's own paper.",
            place(dataset, split)
        ));
    }
    Some(table)
}

/// A row of somebody else; `places` says where each class is in it.
fn published_row(row: &PublishedRow, places: &[Option<usize>]) -> Vec<Cell> {
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
    let dice = |place: &Option<usize>| row.per_class.get((*place)?).copied().flatten();
    cells.extend(places.iter().map(|place| Cell::number(dice(place), 2)));
    cells.extend([Cell::Text(format!("published: {}", row.source)), Cell::Missing]);
    cells
}

fn own_row(record: &EvaluationRecord, protocol: Protocol, n_classes: usize) -> Vec<Cell> {
    let scores = scores(record, protocol);
    let interval = |(low, high): (f64, f64)| Cell::Text(format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high));
    let has_points = !record.pause.pause_points.is_empty();
    let recommended = if record.pause.recommended.is_some() { " (recommended)" } else { "" };
    let mut cells = vec![
        Cell::text(&record.method),
        backbone_and_input(record.backbone.clone(), record.input_size.map(|size| size.to_string())),
        used_points(&record.pause),
        if has_points { Cell::Text(format!("{}{recommended}", record.pause.label())) } else { Cell::Missing },
        Cell::text(protocol.name()),
        Cell::percent(scores.dice, 2),
        Cell::percent(scores.dice_interval.map(|interval| interval.0), 2),
        Cell::percent(scores.dice_interval.map(|interval| interval.1), 2),
        scores.dice_interval.map_or(Cell::Missing, interval),
        Cell::number(scores.hd95_vox, 2),
        Cell::number(scores.hd95_mm, 2),
    ];
    cells
        .extend((0..n_classes).map(|class| Cell::percent(scores.per_class_dice.get(class).copied().flatten(), 2)));
    cells.extend([Cell::text(OURS), Cell::text(&record.provenance.commit)]);
    cells
}

fn backbone_and_input(backbone: Option<String>, input: Option<String>) -> Cell {
    let parts: Vec<String> = backbone.into_iter().chain(input).collect();
    if parts.is_empty() { Cell::Missing } else { Cell::Text(parts.join(" / ")) }
}

/// `never` once for each checkpoint, even where several lists of pause points were tried on it, and the
/// recommended settings.
fn is_shown(record: &EvaluationRecord, before: &[&EvaluationRecord]) -> bool {
    let weights = |record: &EvaluationRecord| record.provenance.weights_sha256.clone();
    let is_again = |other: &&EvaluationRecord| {
        other.pause.is_never()
            && other.method == record.method
            && other.summary == record.summary
            && weights(other).is_some()
            && weights(other) == weights(record)
    };
    let is_first_never = record.pause.is_never() && !before.iter().any(is_again);
    is_first_never || record.pause.recommended.is_some()
}

/// Columns of classes in a published table. Names differ in order and spelling: `left kidney`,
/// `kidney_left`; `RV`, `right ventricle`.
fn places_of(classes: &[String], published: &PublishedScores) -> Vec<Option<usize>> {
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
    let place = |class: &String| published.class_names.iter().position(|name| key(name) == key(class));
    classes.iter().map(place).collect()
}
