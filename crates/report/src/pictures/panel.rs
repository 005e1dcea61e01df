//! The pixels of one panel: a slice enlarged or reduced, tinted by labels or pause stages.

use plotters::prelude::RGBColor;

use crate::canvas::viridis;
use fastersam_records::SliceRecord;

/// Colours of labels 1, 2, ...: Okabe and Ito's, then wine and sand.
const CLASS_COLOURS: [RGBColor; 9] = [
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(240, 228, 66),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(136, 34, 85),
    RGBColor(221, 204, 119),
];

/// A slice fitted into a square, its aspect ratio kept.
pub struct Panel<'a> {
    slice: &'a SliceRecord,
    /// Height of the panel in pixels.
    pub height: usize,
    /// Width of the panel in pixels.
    pub width: usize,
}

impl<'a> Panel<'a> {
    /// A panel whose longer side has `side` pixels.
    pub fn new(slice: &'a SliceRecord, side: usize) -> Self {
        let longer = slice.rows.max(slice.cols).max(1);
        let fit = |length: usize| (side * length / longer).max(1);
        Self { slice, height: fit(slice.rows), width: fit(slice.cols) }
    }

    /// The image: the mean of the slice's pixels below this pixel of the panel.
    pub fn gray(&self, y: usize, x: usize) -> RGBColor {
        let span = |at: usize, length: usize, of: usize| {
            let start = at * of / length;
            start..((at + 1) * of / length).max(start + 1)
        };
        let (rows, cols) = (span(y, self.height, self.slice.rows), span(x, self.width, self.slice.cols));
        let count = rows.len() * cols.len();
        let places = rows.flat_map(|row| cols.clone().map(move |col| (row, col)));
        let sum: usize = places.map(|(row, col)| usize::from(self.slice.image[row * self.slice.cols + col])).sum();
        let mean = (sum / count) as u8;
        RGBColor(mean, mean, mean)
    }

    /// The image, labelled pixels in their class's colour.
    pub fn labelled(&self, labels: &[u8], y: usize, x: usize) -> RGBColor {
        let (row, col) = (y * self.slice.rows / self.height, x * self.slice.cols / self.width);
        match labels[row * self.slice.cols + col] {
            0 => self.gray(y, x),
            label => mix(self.gray(y, x), class_colour(usize::from(label)), 0.6),
        }
    }

    /// The image with each paused token tinted by its place among `stages`, and the token grid drawn in.
    pub fn paused(&self, stages: &[usize], y: usize, x: usize) -> RGBColor {
        let token = |y: usize, x: usize| (y * self.slice.grid / self.height, x * self.slice.grid / self.width);
        let (row, col) = token(y, x);
        let at = usize::from(self.slice.paused_after[row * self.slice.grid + col])
            .checked_sub(1)
            .map(|index| self.slice.pause.pause_points[index]);
        let colour = match at.and_then(|at| stages.iter().position(|stage| *stage == at)) {
            None => self.gray(y, x),
            Some(stage) => mix(self.gray(y, x), viridis(stage, stages.len()), 0.6),
        };
        let is_border = (y > 0 && token(y - 1, x).0 != row) || (x > 0 && token(y, x - 1).1 != col);
        if is_border { mix(colour, RGBColor(255, 255, 255), 0.25) } else { colour }
    }
}

/// Colour of a label.
pub fn class_colour(label: usize) -> RGBColor {
    CLASS_COLOURS[label.saturating_sub(1) % CLASS_COLOURS.len()]
}

fn mix(below: RGBColor, above: RGBColor, share: f64) -> RGBColor {
    let mix = |below: u8, above: u8| (f64::from(below) * (1.0 - share) + f64::from(above) * share).round() as u8;
    RGBColor(mix(below.0, above.0), mix(below.1, above.1), mix(below.2, above.2))
}
