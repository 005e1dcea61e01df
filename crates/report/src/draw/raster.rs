//! SVG as pixels and as PNG files. The one font is part of the program, so that neither pixels nor the width of text
//! depend on the fonts of the machine.

use std::sync::{Arc, LazyLock};

use fastersam_records::NOTICE;
use maud::html;
use plotters::style::RGBColor;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{self, Options, Tree};

/// Font stack of the SVG files; the first is the embedded font.
pub const FONT: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// Pixels of a PNG file for each unit of the SVG, for sharp text on dense screens.
pub const SCALE: u32 = 2;

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../../assets/DejaVuSans.ttf").to_vec());
    Options { fontdb: Arc::new(fonts), ..Options::default() }
});

/// Width of one line of text of this size, in SVG units.
pub fn text_width(text: &str, size: u32) -> i32 {
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" width="1" height="1" {
            text font-family=(FONT) font-size=(size) { (text) }
        }
    };
    let width = |tree: Tree| match tree.root().children().first() {
        Some(usvg::Node::Text(text)) => text.bounding_box().width().ceil() as i32,
        // An empty text leaves no node.
        _ => 0,
    };
    Tree::from_str(&svg.into_string(), &OPTIONS).map_or(0, width)
}

/// A drawing in pixels, [`SCALE`] of them for each SVG unit.
pub struct Raster(Pixmap);

impl Raster {
    /// Draws an SVG on white.
    ///
    /// # Errors
    /// The text is no SVG, or it is too large.
    pub fn new(svg: &str) -> Result<Self, String> {
        let tree = Tree::from_str(svg, &OPTIONS).map_err(|error| error.to_string())?;
        let size = tree.size().to_int_size();
        let [width, height] = [size.width(), size.height()].map(|length| length.saturating_mul(SCALE));
        let mut pixmap = Pixmap::new(width, height).ok_or_else(|| format!("{width} x {height} pixels"))?;
        pixmap.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(SCALE as f32, SCALE as f32), &mut pixmap.as_mut());
        Ok(Self(pixmap))
    }

    /// Sets one pixel; places outside are left out.
    pub fn set(&mut self, y: usize, x: usize, RGBColor(red, green, blue): RGBColor) {
        let width = self.0.width() as usize;
        if x < width
            && let Some(pixel) = self.0.data_mut().chunks_exact_mut(4).nth(y * width + x)
        {
            pixel.copy_from_slice(&[red, green, blue, u8::MAX]);
        }
    }

    /// A PNG file.
    ///
    /// # Errors
    /// The encoder refuses.
    pub fn to_png(&self) -> Result<Vec<u8>, String> {
        let rgb: Vec<u8> = self.0.data().chunks_exact(4).flat_map(|rgba| &rgba[..3]).copied().collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.0.width(), self.0.height());
        encoder.set_color(png::ColorType::Rgb);
        let noted = encoder.add_text_chunk("Comment".to_owned(), NOTICE.to_owned());
        noted.map_err(|error| error.to_string())?;
        encoder.set_compression(png::Compression::Balanced);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&rgb));
        written.map_err(|error| error.to_string())?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_set_in_the_embedded_font_with_kerning() {
        // In the font's units, 2048 to the em: T is 1251 wide, o 1253, and kerning moves an o after a T by -348.
        assert_eq!(text_width("o", 2048), 1253);
        assert_eq!(text_width("To", 2048), 1251 + 1253 - 348);
        assert_eq!(text_width("", 20), 0);
        assert!(text_width("a < b & c", 20) > text_width("a < b", 20));
    }
}
