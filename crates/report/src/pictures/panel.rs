//! The pixels of one panel: a slice enlarged or reduced, tinted by labels or pause stages.

use plotters::style::RGBColor;

use crate::draw::color::{PAPER, mix, of_label, viridis};

/// Space between panels.
pub const GAP: usize = 14;
/// Height of title and column names.
pub const TOP: usize = 88;
/// Height of the text above a row of panels.
pub const ROW_LABEL: usize = 32;
/// Width of the legends.
pub const LEGEND: i32 = 250;
/// Color of what the map of paused tokens leaves gray.
pub const NEVER: RGBColor = RGBColor(160, 160, 160);

/// Share of the tint over the image.
const TINT: f64 = 0.5;
/// Width of the line around a label, in pixels.
const OUTLINE: usize = 2;

/// Height and width of a slice of so many rows and columns whose longer side becomes `side`; a row's pixel is `aspect` times
/// as high as it is wide.
pub fn fit(rows: usize, cols: usize, aspect: f64, side: usize) -> (usize, usize) {
    let (height, width) = (rows as f64 * aspect, cols as f64);
    let fit = |length: f64| ((side as f64 * length / height.max(width)) as usize).max(1);
    (fit(height), fit(width))
}

/// A slice to look at.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    /// Rows of image and labels.
    pub rows: usize,
    /// Columns of image and labels.
    pub cols: usize,
    /// Gray values, row after row.
    pub image: &'a [u8],
    /// Side of the token grid.
    pub grid: usize,
    /// For each token: 0 where it never paused, `k` where it did at the `k`-th pause point.
    pub paused_at: &'a [u8],
}

/// A slice as so many pixels.
pub struct Panel<'a> {
    slice: Pixels<'a>,
    /// Height of the panel in pixels.
    pub height: usize,
    /// Width of the panel in pixels.
    pub width: usize,
}

impl<'a> Panel<'a> {
    /// A panel of this height and width.
    pub fn new(slice: Pixels<'a>, (height, width): (usize, usize)) -> Self {
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

    /// `gray`, under a paused token tinted by its pause point's place among `n_stages` that are shown, with the token grid drawn
    /// in.
    pub fn paused(
        &self,
        gray: RGBColor,
        (stage, n_stages): (impl Fn(usize) -> Option<usize>, usize),
        y: usize,
        x: usize,
    ) -> RGBColor {
        let token = |y: usize, x: usize| (y * self.slice.grid / self.height, x * self.slice.grid / self.width);
        let (row, col) = token(y, x);
        let at = usize::from(self.slice.paused_at[row * self.slice.grid + col]).checked_sub(1);
        let color = match at.and_then(stage) {
            None => gray,
            Some(stage) => mix(gray, viridis(stage, n_stages), TINT),
        };
        let is_border = (y > 0 && token(y - 1, x).0 != row) || (x > 0 && token(y, x - 1).1 != col);
        if is_border { mix(color, PAPER, 0.25) } else { color }
    }
}
