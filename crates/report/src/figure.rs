//! A plot or a picture of the page.

use crate::draw::canvas::{Plot, to_svg};
use crate::draw::raster::Raster;
use crate::error::ReportError;

/// A plot or a picture of the page.
#[derive(Clone, Debug)]
pub struct Figure {
    /// File name without ending.
    pub id: String,
    /// What it shows, for the caption and for readers who can't see it.
    pub caption: String,
    /// Width and height on the page.
    pub size: (u32, u32),
    /// SVG text; pictures have none.
    pub svg: Option<String>,
    /// PNG file.
    pub png: Vec<u8>,
}

impl Figure {
    /// A plot as SVG, which the page shows, and as PNG, which says by itself that it is a reconstruction's.
    ///
    /// # Errors
    /// It can't be drawn.
    pub fn of_plot(id: String, caption: String, plot: &impl Plot) -> Result<Self, ReportError> {
        let draw = || {
            let svg = to_svg(plot, false)?;
            let png = Raster::new(&to_svg(plot, true)?)?.to_png()?;
            Ok((svg, png))
        };
        let (svg, png) = draw().map_err(|reason| ReportError::Draw { name: id.clone(), reason })?;
        Ok(Self { id, caption, size: plot.size(), svg: Some(svg), png })
    }
}
