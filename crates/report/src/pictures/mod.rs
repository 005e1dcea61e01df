//! Pictures of slices: image, ground truth, prediction and where the tokens paused.

mod layout;
pub mod panel;
mod pixels;

use fastersam_records::{SliceRecord, slug};

use crate::draw::canvas::{Plot, to_svg};
use crate::draw::raster::Raster;
use crate::error::ReportError;
use crate::figure::Figure;
use layout::Layout;

/// The pictures of a data set: one for each slice, with a row for each pause setting.
///
/// # Errors
/// A picture can't be drawn.
pub fn pictures(dataset: &str, slices: &[SliceRecord]) -> Result<Vec<Figure>, ReportError> {
    let slices: Vec<&SliceRecord> = slices.iter().filter(|slice| slice.dataset == dataset).collect();
    let same = |a: &&SliceRecord, b: &&SliceRecord| (&a.case, a.slice, &a.method) == (&b.case, b.slice, &b.method);
    slices.chunk_by(same).map(|settings| picture(dataset, settings)).collect()
}

/// The settings of one slice.
fn picture(dataset: &str, settings: &[&SliceRecord]) -> Result<Figure, ReportError> {
    let first = settings[0];
    let id = slug(&format!("{dataset} {} {} {}", first.case, first.slice, first.method));
    let title = format!("{dataset}: {}, slice {}, {}", first.case, first.slice, first.method);
    let caption = format!(
        "{title}. Image, ground truth, prediction, and where tokens paused; one row for each pause setting."
    );
    let layout = Layout::new(title, settings);
    let draw = || {
        // Panels index into the maps.
        settings.iter().try_for_each(|slice| slice.check())?;
        let mut raster = Raster::new(&to_svg(&layout, false)?)?;
        pixels::paint(&layout, &mut raster);
        raster.to_png()
    };
    let png = draw().map_err(|reason| ReportError::Draw { name: id.clone(), reason })?;
    Ok(Figure { id, caption, size: layout.size(), svg: None, png })
}
