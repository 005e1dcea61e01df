//! Our scores beside published ones.

use fastersam_metrics::Summary;
use fastersam_records::{EvaluationRecord, PublishedSet, slug};

use super::parts::{OURS, table};
use crate::names::place;
use crate::published::{Published, PublishedRow, PublishedScores};
use crate::scores::{Protocol, scores};
use crate::settings::{chosen_on, used_points};
use crate::table::{Cell, Column, Emphasis, Table};

/// The columns before those of the classes.
const BEFORE: [(&str, &str); 4] =
    [("method", "Method"), ("setting", "Pausing"), ("protocol", "Protocol"), ("dsc_percent", "Dice (%)")];
/// What a page writes below a method's name.
const BELOW: [&str; 2] = ["setting", "protocol"];
/// The columns behind those of the classes.
const BEHIND: [(&str, &str); 14] = [
    ("dsc_percent_low", ""),
    ("dsc_percent_high", ""),
    ("dsc_interval", "95% CI of Dice"),
    ("hd95_vox", "HD95 (voxels)"),
    ("hd95_mm", "HD95 (mm)"),
    ("jaccard_percent", "Jaccard (%)"),
    ("assd_vox", "ASSD (voxels)"),
    ("assd_mm", "ASSD (mm)"),
    ("surface_dice_percent_vox", "Surface Dice at 1 voxel (%)"),
    ("surface_dice_percent_mm", "Surface Dice at 1 mm (%)"),
    ("input", "Backbone / input"),
    ("pause_points", "Pause points"),
    ("source", "Source"),
    ("commit", ""),
];
/// Columns in voxels that are left to the CSV where the same is known in millimetres.
const IN_VOXELS: [&str; 2] = ["assd_vox", "surface_dice_percent_vox"];

/// Published rows and ours, both protocols, with the Dice of each class. Of a sweep, only `never` and the
/// recommended setting; the rest stands in [`pausing`](super::pausing).
pub fn comparison(
    dataset: &str,
    split: &str,
    records: &[&EvaluationRecord],
    published: &Published,
) -> Option<Table> {
    records.first()?;
    let mut classes: Vec<&String> = Vec::new();
    for class in records.iter().flat_map(|record| &record.class_names) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    let id = slug(&format!("comparison {dataset} {split}"));
    let mut table = table(id, format!("Comparison on {}", place(dataset, split)), &BEFORE).with_below(&BELOW);
    let class_id = |class: &String| format!("dsc_percent_{}", slug(class).replace('-', "_"));
    table.columns.extend(classes.iter().map(|class| Column::new(class_id(class), class.as_str())));
    let is_mm = records.iter().any(|record| record.summary.surface_mm.assd.mean.is_some());
    table.columns.extend(BEHIND.iter().map(|&(id, heading)| {
        let is_printed = !(heading.is_empty() || is_mm && IN_VOXELS.contains(&id));
        if is_printed { Column::new(id, heading) } else { Column::csv_only(id) }
    }));

    let others = records.iter().find_map(|record| record.published).map(|set| match set {
        PublishedSet::Synapse => &published.synapse,
        PublishedSet::Acdc => &published.acdc,
    });
    if let Some(others) = others {
        let places = places_of(&classes, others);
        table.rows.extend(others.rows.iter().map(|row| (Emphasis::Published, published_row(row, &places))));
    }
    for record in shown(records) {
        for protocol in [Protocol::TransUnet, Protocol::Strict] {
            table
                .rows
                .push((Emphasis::ours(record.pause.recommended.is_some()), own_row(record, protocol, &classes)));
        }
    }
    table.notes.push(
        "The transunet protocol is what the papers print: an organ that is only in the prediction scores a Dice of 1, and \
         an organ that was missed scores an HD95 of 0. The strict protocol counts both as Dice 0 and as an HD95 of the \
         volume's diagonal, and leaves out organs that are neither in the volume nor in the prediction."
            .into(),
    );
    if records.iter().any(|record| record.summary.jaccard.mean.is_some()) {
        table.notes.push(
            "Jaccard, ASSD (average symmetric surface distance) and surface Dice (the share of both surfaces that lies within \
             the tolerance of the other one) are the same under both protocols: cases without the organ in one of the maps are \
             left out of the distances."
                .into(),
        );
    }
    table.notes.extend(chosen_on(records));
    let mut said: Vec<&String> = records.iter().filter_map(|record| record.dataset_note.as_ref()).collect();
    said.dedup();
    table.notes.extend(said.iter().map(|note| format!("Our rows: {note}.")));
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

/// The records that the comparison shows, and the plots of cases with it.
pub fn shown<'a>(records: &[&'a EvaluationRecord]) -> Vec<&'a EvaluationRecord> {
    let numbered = records.iter().enumerate();
    numbered.filter(|(index, record)| is_shown(record, &records[..*index])).map(|(_, record)| *record).collect()
}

/// A row of somebody else; `places` says where each class is in it.
fn published_row(row: &PublishedRow, places: &[Option<usize>]) -> Vec<Cell> {
    let mut cells = vec![
        Cell::text(&row.method),
        Cell::Missing,
        Cell::text(Protocol::TransUnet.name()),
        Cell::Number(row.dice_percent, 2),
    ];
    let dice = |place: &Option<usize>| row.per_class.get((*place)?).copied().flatten();
    cells.extend(places.iter().map(|place| Cell::number(dice(place), 2)));
    cells.extend([Cell::Missing, Cell::Missing, Cell::Missing, Cell::number(row.hd95_vox, 2)]);
    cells.extend(vec![Cell::Missing; 6]);
    cells.extend([
        backbone_and_input(row.backbone.clone(), row.input.clone()),
        Cell::Missing,
        Cell::Text(format!("published: {}", row.source)),
        Cell::Missing,
    ]);
    cells
}

fn own_row(record: &EvaluationRecord, protocol: Protocol, classes: &[&String]) -> Vec<Cell> {
    let scores = scores(record, protocol);
    let interval = |(low, high): (f64, f64)| Cell::Text(format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high));
    let has_points = !record.pause.pause_points.is_empty();
    let recommended = if record.pause.recommended.is_some() { " (recommended)" } else { "" };
    let mut cells = vec![
        Cell::text(&record.method),
        if has_points { Cell::Text(format!("{}{recommended}", record.pause.label())) } else { Cell::Missing },
        Cell::text(protocol.name()),
        Cell::percent(scores.dice, 2),
    ];
    // By name: records of other programs may have other classes, or another order.
    let dice = |class: &&String| {
        let at = record.class_names.iter().position(|name| name == *class)?;
        scores.per_class_dice.get(at).copied().flatten()
    };
    cells.extend(classes.iter().map(|class| Cell::percent(dice(class), 2)));
    let Summary { jaccard, surface_vox, surface_mm, .. } = &record.summary;
    cells.extend([
        Cell::percent(scores.dice_interval.map(|interval| interval.0), 2),
        Cell::percent(scores.dice_interval.map(|interval| interval.1), 2),
        scores.dice_interval.map_or(Cell::Missing, interval),
        Cell::number(scores.hd95_vox, 2),
        Cell::number(scores.hd95_mm, 2),
        Cell::percent(jaccard.mean, 2),
        Cell::number(surface_vox.assd.mean, 2),
        Cell::number(surface_mm.assd.mean, 2),
        Cell::percent(surface_vox.surface_dice.mean, 2),
        Cell::percent(surface_mm.surface_dice.mean, 2),
        backbone_and_input(record.backbone.clone(), record.input_size.map(|size| size.to_string())),
        used_points(&record.pause),
        Cell::text(OURS),
        Cell::text(&record.provenance.commit),
    ]);
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
fn places_of(classes: &[&String], published: &PublishedScores) -> Vec<Option<usize>> {
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
    let place = |class: &&String| published.class_names.iter().position(|name| key(name) == key(class));
    classes.iter().map(place).collect()
}
