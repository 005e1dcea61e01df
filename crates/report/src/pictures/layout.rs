//! Where the parts of a picture stand, and its text.

use fastersam_records::SliceRecord;
use plotters::style::text_anchor::HPos;

use super::panel::{GAP, LEGEND, NEVER, ROW_LABEL, TOP, fit};
use crate::draw::canvas::{Canvas, Drawn, LegendEntry, MARGIN, Marker, Plot, size};
use crate::draw::color::{FAINT, INK, of_label, viridis};
use crate::names::{point, points};

/// The panels of a row.
pub const COLUMNS: [&str; 4] = ["Image", "Ground truth", "Prediction", "Where tokens paused"];
/// Longer side of a panel, in SVG units.
const PANEL: usize = 256;

/// A picture without its pixels.
pub struct Layout<'a> {
    title: String,
    /// One row each.
    pub settings: &'a [&'a SliceRecord],
    /// The pause points of all settings; each has one color in all maps.
    pub stages: Vec<usize>,
    /// Height and width of a panel.
    pub panel: (usize, usize),
}

impl<'a> Layout<'a> {
    /// The layout for the settings of one slice, of which there is at least one.
    pub fn new(title: String, settings: &'a [&'a SliceRecord]) -> Self {
        let mut stages: Vec<usize> = settings.iter().flat_map(|slice| slice.pause.used_points()).collect();
        stages.sort_unstable();
        stages.dedup();
        Self { title, settings, stages, panel: fit(settings[0].rows, settings[0].cols, 1.0, PANEL) }
    }

    /// Upper left corner of a panel: y, x.
    pub fn corner(&self, row: usize, column: usize) -> (usize, usize) {
        (self.row_top(row) + ROW_LABEL, MARGIN as usize + column * (self.panel.1 + GAP))
    }

    fn row_top(&self, row: usize) -> usize {
        TOP + row * (ROW_LABEL + self.panel.0 + GAP)
    }

    /// The legends, each with its heading.
    fn legends(&self) -> [(&'static str, Vec<LegendEntry>); 2] {
        let boxed = |label: String, color| LegendEntry { label, color, marker: Marker::Box, line: 0 };
        let names = self.settings[0].class_names.iter().enumerate();
        let classes = names.map(|(index, name)| boxed(name.clone(), of_label(index + 1)));
        let stages = self.stages.iter().enumerate();
        let stages =
            stages.map(|(index, at)| boxed(format!("after {}", point(*at)), viridis(index, self.stages.len())));
        let never = boxed("never (no tint)".into(), NEVER);
        [("Classes", classes.collect()), ("Token paused", stages.chain([never]).collect())]
    }

    fn row_label(slice: &SliceRecord) -> String {
        let recommended = if slice.pause.recommended.is_some() { " (recommended)" } else { "" };
        if slice.pause.is_never() {
            return format!("No pausing{recommended}");
        }
        let active = slice.paused_after.iter().filter(|point| **point == 0).count();
        let share = 100.0 * active as f64 / slice.paused_after.len() as f64;
        format!(
            "Pausing at {}, {}{recommended}: {share:.1}% of the tokens are never paused",
            points(&slice.pause.used_points()),
            slice.pause.label()
        )
    }
}

impl Plot for Layout<'_> {
    fn size(&self) -> (u32, u32) {
        let width = self.corner(0, COLUMNS.len()).1 as i32 + LEGEND;
        // A single row still needs the height of its legends.
        let entries: usize = self.legends().iter().map(|(_, entries)| entries.len()).sum();
        let legends = TOP + ROW_LABEL + 28 * entries + 2 * (30 + 16);
        let height = self.row_top(self.settings.len()).max(legends) + 40;
        (width as u32, height as u32)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        canvas.write(&self.title, (MARGIN, 32), size::TITLE, INK, HPos::Left)?;
        for (column, name) in COLUMNS.iter().enumerate() {
            let x = self.corner(0, column).1 as i32;
            canvas.write(name, (x, 72), size::HEADING, INK, HPos::Left)?;
        }
        for (row, slice) in self.settings.iter().enumerate() {
            let y = (self.row_top(row) + ROW_LABEL / 2 + 2) as i32;
            canvas.write(&Self::row_label(slice), (MARGIN, y), size::TEXT, FAINT, HPos::Left)?;
        }
        let (top, left) = self.corner(0, COLUMNS.len());
        let mut y = top as i32 + 8;
        for (heading, entries) in self.legends() {
            canvas.write(heading, (left as i32, y), size::HEADING, INK, HPos::Left)?;
            y = canvas.legend(&entries, (left as i32, y + 30), LEGEND - 12)? + 16;
        }
        Ok(())
    }
}
