//! The pixels of a picture.

use super::layout::{COLUMNS, Layout};
use super::panel::{Panel, Pixels};
use crate::draw::raster::{Raster, SCALE};

/// Paints all panels over the text's pixels.
pub fn paint(layout: &Layout<'_>, raster: &mut Raster) {
    let scale = SCALE as usize;
    for (row, slice) in layout.settings.iter().enumerate() {
        let pixels = Pixels {
            rows: slice.rows,
            cols: slice.cols,
            image: &slice.image,
            grid: slice.grid,
            paused_at: &slice.paused_after,
        };
        let points = &slice.pause.pause_points;
        let stage = |index: usize| layout.stages.iter().position(|stage| *stage == points[index]);
        let panel = Panel::new(pixels, (layout.panel.0 * scale, layout.panel.1 * scale));
        let corners: Vec<_> = (0..COLUMNS.len()).map(|column| layout.corner(row, column)).collect();
        for (y, x) in (0..panel.height).flat_map(|y| (0..panel.width).map(move |x| (y, x))) {
            let gray = panel.gray(y, x);
            let colors = [
                gray,
                panel.labeled(gray, &slice.truth, y, x),
                panel.labeled(gray, &slice.prediction, y, x),
                panel.paused(gray, (stage, layout.stages.len()), y, x),
            ];
            for ((top, left), color) in corners.iter().zip(colors) {
                raster.set(top * scale + y, left * scale + x, color);
            }
        }
    }
}
