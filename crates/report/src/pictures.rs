//! Pictures of slices: image, truth, prediction and where the tokens paused.

mod panel;

use plotters::backend::BitMapBackend;
use plotters::prelude::{IntoDrawingArea, RGBColor};
use plotters::style::text_anchor::HPos;

use fastersam_records::SliceRecord;

use super::canvas::{Canvas, Drawn, FAINT, INK, LegendEntry, Lettering, Marker, viridis, words};
use super::render::{png, register};
use super::results::slug;
use super::settings::{is_never, point, points, setting};
use super::{Figure, ReportError};
use panel::{Panel, class_colour};

/// Longer side of one panel in pixels.
const PANEL: usize = 290;
/// Space between panels.
const GAP: usize = 14;
/// Height of title and column names.
const TOP: usize = 92;
/// Height of the text above a row of panels.
const ROW_LABEL: usize = 34;
/// Width of the legend.
const LEGEND: usize = 310;
/// Space at the left and above the footer.
const MARGIN: usize = 24;

/// The pictures of a data set: one a slice, with a row for each pause setting.
///
/// # Errors
/// A picture can't be drawn.
pub fn pictures(dataset: &str, slices: &[SliceRecord]) -> Result<Vec<Figure>, ReportError> {
    let slices: Vec<&SliceRecord> = slices.iter().filter(|slice| slice.dataset == dataset).collect();
    let same = |a: &&SliceRecord, b: &&SliceRecord| (&a.case, a.slice, &a.method) == (&b.case, b.slice, &b.method);
    slices
        .chunk_by(same)
        .map(|settings| {
            let first = settings[0];
            let id = slug(&format!("{dataset} {} {} {}", first.case, first.slice, first.method));
            let title = format!("{dataset}: {}, slice {}, {}", first.case, first.slice, first.method);
            let png = draw(&title, settings).map_err(|reason| ReportError::Draw { figure: id.clone(), reason })?;
            let caption = format!(
                "{title}. Image, truth, prediction, and where tokens paused; a row for each pause setting."
            );
            Ok(Figure { id, caption, svg: None, png })
        })
        .collect()
}

fn draw(title: &str, settings: &[&SliceRecord]) -> Result<Vec<u8>, String> {
    register()?;
    let width = MARGIN + 4 * (PANEL + GAP) + LEGEND;
    let row_height = ROW_LABEL + PANEL + GAP;
    // A single row still needs the height of its legend.
    let stages = stages(settings);
    let legends = ROW_LABEL + 28 * (settings[0].class_names.len() + stages.len() + 1) + 2 * (30 + 24);
    let height = (TOP + settings.len() * row_height).max(TOP + legends) + MARGIN + 16;
    let mut pixels = vec![255; width * height * 3];
    for (row, slice) in settings.iter().enumerate() {
        let top = TOP + row * row_height + ROW_LABEL;
        let panel = Panel::new(slice, PANEL);
        let colours: [&dyn Fn(usize, usize) -> RGBColor; 4] = [
            &|y, x| panel.gray(y, x),
            &|y, x| panel.labelled(&slice.truth, y, x),
            &|y, x| panel.labelled(&slice.prediction, y, x),
            &|y, x| panel.paused(&stages, y, x),
        ];
        for (column, colour) in colours.iter().enumerate() {
            let left = MARGIN + column * (PANEL + GAP);
            for y in 0..panel.height {
                for x in 0..panel.width {
                    let colour = colour(y, x);
                    let start = ((top + y) * width + left + x) * 3;
                    pixels[start..start + 3].copy_from_slice(&[colour.0, colour.1, colour.2]);
                }
            }
        }
    }
    let root = BitMapBackend::with_buffer(&mut pixels, (width as u32, height as u32)).into_drawing_area();
    let canvas = Canvas::new(root, 1, Lettering::Pixels);
    letter(&canvas, title, settings, &stages, height)?;
    canvas.root.present().map_err(words)?;
    drop(canvas);
    png(&pixels, width as u32, height as u32)
}

/// Titles, row labels, legends, footer.
fn letter(
    canvas: &Canvas<BitMapBackend<'_>>,
    title: &str,
    settings: &[&SliceRecord],
    stages: &[usize],
    height: usize,
) -> Drawn {
    let at = |x: usize, y: usize| (x as i32, y as i32);
    canvas.write(title, at(MARGIN, 30), &canvas.text(25, INK, HPos::Left))?;
    let name = canvas.text(19, INK, HPos::Left);
    for (column, text) in ["Image", "Truth", "Prediction", "Where tokens paused"].iter().enumerate() {
        canvas.write(text, at(MARGIN + column * (PANEL + GAP), 74), &name)?;
    }
    let small = canvas.text(17, FAINT, HPos::Left);
    for (row, slice) in settings.iter().enumerate() {
        let recommended = if slice.pause.recommended { " (recommended)" } else { "" };
        let active = slice.paused_after.iter().filter(|point| **point == 0).count();
        let share = 100.0 * active as f64 / slice.paused_after.len() as f64;
        let text = if is_never(&slice.pause) {
            format!("Nothing pauses{recommended}")
        } else {
            format!(
                "Pausing at {}: {}{recommended}; {share:.1} % of the tokens never pause",
                points(&slice.pause.pause_points),
                setting(&slice.pause)
            )
        };
        canvas.write(&text, at(MARGIN, TOP + row * (ROW_LABEL + PANEL + GAP) + ROW_LABEL / 2 + 2), &small)?;
    }
    canvas.write(super::NOTICE, (MARGIN as i32, height as i32 - 18), &canvas.text(15, FAINT, HPos::Left))?;

    let left = MARGIN + 4 * (PANEL + GAP) + 10;
    let mut y = TOP + ROW_LABEL + 10;
    let mut legend = |heading: &str, entries: &[LegendEntry]| -> Drawn {
        canvas.write(heading, at(left, y), &name)?;
        y += 30;
        for entry in entries {
            canvas.mark(at(left + 16, y), entry.marker, entry.colour)?;
            canvas.write(&entry.label, at(left + 40, y), &canvas.text(17, INK, HPos::Left))?;
            y += 28;
        }
        y += 24;
        Ok(())
    };
    let boxed = |label: String, colour| LegendEntry { label, colour, marker: Marker::Box, line: 0 };
    let classes = settings[0]
        .class_names
        .iter()
        .enumerate()
        .map(|(index, name)| boxed(name.clone(), class_colour(index + 1)));
    legend("Classes", &classes.collect::<Vec<_>>())?;
    let mut entries: Vec<LegendEntry> = stages
        .iter()
        .enumerate()
        .map(|(index, at)| boxed(format!("after {}", point(*at)), viridis(index, stages.len())))
        .collect();
    entries.push(boxed("never: active to the end".into(), RGBColor(160, 160, 160)));
    legend("Token paused", &entries)
}

/// The pause points of all settings of a picture; each has one colour in all its maps.
fn stages(settings: &[&SliceRecord]) -> Vec<usize> {
    let mut stages: Vec<usize> =
        settings.iter().flat_map(|slice| slice.pause.pause_points.iter().copied()).collect();
    stages.sort_unstable();
    stages.dedup();
    stages
}
