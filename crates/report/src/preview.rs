//! A picture to look at a segmentation: some slices, the label map over them, and where their tokens paused.

use plotters::style::text_anchor::HPos;

use crate::draw::canvas::{Canvas, Drawn, LegendEntry, MARGIN, Marker, Plot, size, to_svg, wrap};
use crate::draw::color::{FAINT, INK, of_label, viridis};
use crate::draw::raster::{Raster, SCALE};
use crate::error::ReportError;
use crate::pictures::panel::{GAP, LEGEND, NEVER, Panel, Pixels, ROW_LABEL, TOP, fit};

/// Longer side of a panel, in SVG units.
const PANEL: usize = 288;

/// A segmentation to look at.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What was segmented.
    pub title: String,
    /// Names of the classes from 1 on.
    pub class_names: Vec<String>,
    /// What the pause points are called, in their order.
    pub pause_point_names: Vec<String>,
    /// The slices.
    pub slices: Vec<PreviewSlice>,
}

/// One slice of it.
#[derive(Clone, Debug)]
pub struct PreviewSlice {
    /// What the slice is called.
    pub label: String,
    /// Rows of image and classes.
    pub rows: usize,
    /// Columns of image and classes.
    pub cols: usize,
    /// Gray values, row after row.
    pub image: Vec<u8>,
    /// Classes, row after row.
    pub classes: Vec<u8>,
    /// True classes, row after row, where they are known.
    pub truth: Option<Vec<u8>>,
    /// How many times as high as wide a pixel is.
    pub pixel_aspect: f64,
    /// Tokens, row after row of a square: 0 where one never paused, `k` where it did at the `k`-th pause point.
    pub paused_at: Vec<u8>,
}

impl Preview {
    /// A PNG file.
    ///
    /// # Errors
    /// Where a slice has not as many values as its rows and columns say, or the picture would be too large.
    pub fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        let draw = || {
            self.slices.iter().try_for_each(PreviewSlice::check)?;
            let layout = Layout::new(self);
            let mut raster = Raster::new(&to_svg(&layout, true)?)?;
            layout.paint(&mut raster);
            raster.to_png()
        };
        draw().map_err(|reason| ReportError::Draw { name: self.title.clone(), reason })
    }
}

impl PreviewSlice {
    fn side(&self) -> usize {
        self.paused_at.len().isqrt()
    }

    /// Panels index into the maps.
    fn check(&self) -> Result<(), String> {
        let n = self.rows.saturating_mul(self.cols);
        let is_square = self.side() * self.side() == self.paused_at.len() && self.side() > 0;
        let is_whole = n > 0
            && self.image.len() == n
            && self.classes.len() == n
            && is_square
            && self.truth.as_ref().is_none_or(|truth| truth.len() == n);
        if is_whole && self.pixel_aspect.is_finite() && self.pixel_aspect > 0.0 {
            return Ok(());
        }
        Err(format!(
            "{} has not as many values as its {} rows and {} columns need",
            self.label, self.rows, self.cols
        ))
    }
}

/// The picture without its pixels.
struct Layout<'a> {
    preview: &'a Preview,
    /// Height and width of a panel.
    panel: (usize, usize),
    columns: Vec<Shown>,
}

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Image,
    Truth,
    Segmentation,
    Pauses,
}

impl Shown {
    fn name(self) -> &'static str {
        match self {
            Self::Image => "Image",
            Self::Truth => "Ground truth",
            Self::Segmentation => "Segmentation",
            Self::Pauses => "Where tokens paused",
        }
    }
}

impl<'a> Layout<'a> {
    fn new(preview: &'a Preview) -> Self {
        let panel =
            preview.slices.first().map_or((1, 1), |slice| fit(slice.rows, slice.cols, slice.pixel_aspect, PANEL));
        let any = |has: fn(&PreviewSlice) -> bool| preview.slices.iter().any(has);
        // A column that would show nothing is left out.
        let columns = [
            (Shown::Image, any(|slice| slice.image.iter().any(|&value| value > 0))),
            (Shown::Truth, any(|slice| slice.truth.is_some())),
            (Shown::Segmentation, true),
            (Shown::Pauses, any(|slice| slice.paused_at.iter().any(|&at| at > 0))),
        ];
        let columns = columns.into_iter().filter_map(|(column, is_shown)| is_shown.then_some(column)).collect();
        Self { preview, panel, columns }
    }

    fn has_pauses(&self) -> bool {
        self.columns.contains(&Shown::Pauses)
    }

    /// Upper left corner of a panel: y, x.
    fn corner(&self, row: usize, column: usize) -> (usize, usize) {
        (self.row_top(row) + ROW_LABEL, MARGIN as usize + column * (self.panel.1.max(PANEL / 2) + GAP))
    }

    fn row_top(&self, row: usize) -> usize {
        TOP + row * (ROW_LABEL + self.panel.0 + GAP)
    }

    /// The legends, each with its heading.
    fn legends(&self) -> Vec<(&'static str, Vec<LegendEntry>)> {
        let boxed = |label: String, color| LegendEntry { label, color, marker: Marker::Box, line: 0 };
        let shown = |class: usize| {
            self.preview.slices.iter().any(|slice| {
                let mut all = slice.classes.iter().chain(slice.truth.iter().flatten());
                all.any(|&c| usize::from(c) == class)
            })
        };
        let names = self.preview.class_names.iter().enumerate().filter(|(index, _)| shown(index + 1));
        let classes: Vec<_> = names.map(|(index, name)| boxed(name.clone(), of_label(index + 1))).collect();
        let mut legends = vec![(if classes.is_empty() { "No class found" } else { "Classes" }, classes)];
        if self.has_pauses() {
            let n_stages = self.preview.pause_point_names.len();
            let stages = self.preview.pause_point_names.iter().enumerate();
            let stages = stages.map(|(index, name)| boxed(name.clone(), viridis(index, n_stages)));
            let never = boxed("never paused (no tint)".to_owned(), NEVER);
            legends.push(("Tokens", stages.chain([never]).collect()));
        }
        legends
    }

    /// Paints all panels over the text's pixels.
    fn paint(&self, raster: &mut Raster) {
        let scale = SCALE as usize;
        let n_stages = self.preview.pause_point_names.len();
        for (row, slice) in self.preview.slices.iter().enumerate() {
            let pixels = Pixels {
                rows: slice.rows,
                cols: slice.cols,
                image: &slice.image,
                grid: slice.side(),
                paused_at: &slice.paused_at,
            };
            let panel = Panel::new(pixels, (self.panel.0 * scale, self.panel.1 * scale));
            for (y, x) in (0..panel.height).flat_map(|y| (0..panel.width).map(move |x| (y, x))) {
                let gray = panel.gray(y, x);
                let stage = |index: usize| (index < n_stages).then_some(index);
                for (column, shown) in self.columns.iter().enumerate() {
                    let color = match shown {
                        Shown::Image => gray,
                        Shown::Truth => {
                            slice.truth.as_ref().map_or(gray, |truth| panel.labeled(gray, truth, y, x))
                        }
                        Shown::Segmentation => panel.labeled(gray, &slice.classes, y, x),
                        Shown::Pauses => panel.paused(gray, (stage, n_stages), y, x),
                    };
                    let (top, left) = self.corner(row, column);
                    raster.set(top * scale + y, left * scale + x, color);
                }
            }
        }
    }
}

impl Plot for Layout<'_> {
    fn size(&self) -> (u32, u32) {
        let width = self.corner(0, self.columns.len()).1 as i32 + LEGEND;
        // A single row still needs the height of its legends.
        let entries: usize = self.legends().iter().map(|(_, entries)| entries.len()).sum();
        let legends = TOP + ROW_LABEL + 34 * entries + 2 * (30 + 16);
        let height = self.row_top(self.preview.slices.len()).max(legends) + 40;
        (width as u32, height as u32)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let width = self.size().0 as i32;
        // One line: a long path keeps its end, the file's name.
        let title = wrap(&self.preview.title, size::TITLE, width - 2 * MARGIN);
        canvas.write(title.last().map_or("", String::as_str), (MARGIN, 32), size::TITLE, INK, HPos::Left)?;
        canvas.notice()?;
        for (column, shown) in self.columns.iter().enumerate() {
            let x = self.corner(0, column).1 as i32;
            canvas.write(shown.name(), (x, 72), size::HEADING, INK, HPos::Left)?;
        }
        for (row, slice) in self.preview.slices.iter().enumerate() {
            let y = (self.row_top(row) + ROW_LABEL / 2 + 2) as i32;
            canvas.write(&slice.label, (MARGIN, y), size::TEXT, FAINT, HPos::Left)?;
        }
        let (top, left) = self.corner(0, self.columns.len());
        let mut y = top as i32 + 8;
        for (heading, entries) in self.legends() {
            canvas.write(heading, (left as i32, y), size::HEADING, INK, HPos::Left)?;
            y = canvas.legend(&entries, (left as i32, y + 30), LEGEND - 12)? + 16;
        }
        Ok(())
    }
}
