//! The pixels of one panel: a slice enlarged or reduced, tinted by labels or pause stages.

use fastersam_records::SliceRecord;
use plotters::style::RGBColor;

use crate::draw::color::{PAPER, mix, of_label, viridis};

/// Share of the tint over the image.
const TINT: f64 = 0.5;
/// Width of the line around a label, in pixels.
const OUTLINE: usize = 2;

/// Height and width of a slice whose longer side becomes `side`.
pub fn fit(slice: &SliceRecord, side: usize) -> (usize, usize) {
    let longer = slice.rows.max(slice.cols).max(1);
    let fit = |length: usize| (side * length / longer).max(1);
    (fit(slice.rows), fit(slice.cols))
}

/// A slice as so many pixels.
pub struct Panel<'a> {
    slice: &'a SliceRecord,
    /// Height of the panel in pixels.
    pub height: usize,
    /// Width of the panel in pixels.
    pub width: usize,
}

impl<'a> Panel<'a> {
    /// A panel of this height and width.
    pub fn new(slice: &'a SliceRecord, (height, width): (usize, usize)) -> Self {
        Self { slice, height, width }
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

    /// `gray`, or the color of a label over it, at full strength along its outline.
    pub fn labeled(&self, gray: RGBColor, labels: &[u8], y: usize, x: usize) -> RGBColor {
        let label = |y: usize, x: usize| {
            let (y, x) = (y.min(self.height - 1), x.min(self.width - 1));
            labels[y * self.slice.rows / self.height * self.slice.cols + x * self.slice.cols / self.width]
        };
        let own = label(y, x);
        if own == 0 {
            return gray;
        }
        let (up, left) = (y.saturating_sub(OUTLINE), x.saturating_sub(OUTLINE));
        let around = [label(up, x), label(y + OUTLINE, x), label(y, left), label(y, x + OUTLINE)];
        let is_outline = around.iter().any(|label| *label != own);
        mix(gray, of_label(usize::from(own)), if is_outline { 1.0 } else { TINT })
    }

    /// `gray`, under a paused token tinted by its place among `stages`, with the token grid drawn in.
    pub fn paused(&self, gray: RGBColor, stages: &[usize], y: usize, x: usize) -> RGBColor {
        let token = |y: usize, x: usize| (y * self.slice.grid / self.height, x * self.slice.grid / self.width);
        let (row, col) = token(y, x);
        let at = usize::from(self.slice.paused_after[row * self.slice.grid + col])
            .checked_sub(1)
            .map(|index| self.slice.pause.pause_points[index]);
        let color = match at.and_then(|at| stages.iter().position(|stage| *stage == at)) {
            None => gray,
            Some(stage) => mix(gray, viridis(stage, stages.len()), TINT),
        };
        let is_border = (y > 0 && token(y - 1, x).0 != row) || (x > 0 && token(y, x - 1).1 != col);
        if is_border { mix(color, PAPER, 0.25) } else { color }
    }
}
