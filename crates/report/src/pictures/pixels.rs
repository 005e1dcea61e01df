//! The pixels of a picture.

use super::layout::{COLUMNS, Layout};
use super::panel::Panel;
use crate::draw::raster::{Raster, SCALE};

/// Paints all panels over the text's pixels.
pub fn paint(layout: &Layout<'_>, raster: &mut Raster) {
    let scale = SCALE as usize;
    for (row, slice) in layout.settings.iter().enumerate() {
        let panel = Panel::new(slice, (layout.panel.0 * scale, layout.panel.1 * scale));
        let corners: Vec<_> = (0..COLUMNS.len()).map(|column| layout.corner(row, column)).collect();
        for (y, x) in (0..panel.height).flat_map(|y| (0..panel.width).map(move |x| (y, x))) {
            let gray = panel.gray(y, x);
            let colors = [
                gray,
                panel.labeled(gray, &slice.truth, y, x),
                panel.labeled(gray, &slice.prediction, y, x),
                panel.paused(gray, &layout.stages, y, x),
            ];
            for ((top, left), color) in corners.iter().zip(colors) {
                raster.set(top * scale + y, left * scale + x, color);
            }
        }
    }
}
