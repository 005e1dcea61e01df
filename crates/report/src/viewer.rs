//! A page that shows a scan with its label map, slice by slice and in 3-D: one file that opens from disk, with the viewer
//! (NiiVue) and all data in it.

use fastersam_records::NOTICE;
use fastersam_volume::{LabelTable, label_color};
use maud::{DOCTYPE, PreEscaped, html};
use serde_json::json;

const NIIVUE: &str = include_str!("../assets/niivue.umd.js");
const SCRIPT: &str = include_str!("viewer.js");
const STYLE: &str = include_str!("viewer.css");

/// What the page shows. Files are NIfTI, packed or not, as they lie on disk.
#[derive(Clone, Debug)]
pub struct Viewer<'a> {
    /// What was segmented.
    pub title: &'a str,
    /// The scan's file.
    pub scan: &'a [u8],
    /// Lowest and highest intensity that are told apart, in the scan's unit.
    pub window: [f64; 2],
    /// The label map's file.
    pub label_map: &'a [u8],
    /// Names of the classes and their codes in the label map.
    pub labels: &'a LabelTable,
    /// Volume of each class from 1 on.
    pub volumes_ml: &'a [f64],
    /// The file that says where tokens paused.
    pub pause_map: &'a [u8],
    /// Names of the pause points, by the codes 1, 2, ... of that file.
    pub pause_point_names: &'a [String],
}

impl Viewer<'_> {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let color = |class: usize| {
            let [red, green, blue] = label_color(class);
            format!("rgb({red}, {green}, {blue})")
        };
        let described = json!({
            "window": self.window,
            "labels": self.labels.entries().enumerate().skip(1).map(|(class, (code, name))| json!({
                "code": code, "name": name, "color": label_color(class),
            })).collect::<Vec<_>>(),
            "pause_points": self.pause_point_names.iter().enumerate().map(|(index, name)| json!({
                "code": index + 1, "name": name, "color": label_color(index + 1),
            })).collect::<Vec<_>>(),
        });
        // In a script's text, only the end of a script is special.
        let described = described.to_string().replace('<', "\\u003c");
        let data = |id: &str, bytes: &[u8]| {
            html! { script id=(id) type="application/octet-stream;base64" { (PreEscaped(base64(bytes))) } }
        };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        p { (NOTICE) " Not a medical device." }
                    }
                    main {
                        div.stage {
                            canvas id="canvas" aria-label="The scan with the label map over it" {}
                            p id="place" aria-live="polite" {}
                        }
                        form.controls {
                            fieldset {
                                legend { "View" }
                                @for (value, name) in [("multi", "all"), ("axial", "axial"), ("coronal", "coronal"), ("sagittal", "sagittal"), ("render", "3-D")] {
                                    label { input type="radio" name="view" value=(value) checked[value == "multi"]; " " (name) }
                                }
                            }
                            fieldset {
                                legend { "Organs" }
                                @for (class, (_, name)) in self.labels.entries().enumerate().skip(1) {
                                    label {
                                        input type="checkbox" name="organ" value=(class - 1) checked; " "
                                        span.swatch style={ "background:" (color(class)) } {} " " (name)
                                        @if let Some(ml) = self.volumes_ml.get(class - 1) { span.ml { (format!("{ml:.1} ml")) } }
                                    }
                                }
                                label.range { "Opacity" input id="opacity" type="range" min="0" max="1" step="0.05" value="0.6"; }
                            }
                            @if !self.pause_point_names.is_empty() {
                                fieldset {
                                    legend { "Where tokens paused" }
                                    label { input id="pauses" type="checkbox"; " show" }
                                    @for (index, name) in self.pause_point_names.iter().enumerate() {
                                        p.key { span.swatch style={ "background:" (color(index + 1)) } {} " " (name) }
                                    }
                                }
                            }
                            p.help { "Click or drag to move; the wheel or two fingers change the slice; in 3-D, drag to turn." }
                        }
                    }
                    script id="described" type="application/json" { (PreEscaped(described)) }
                    (data("scan", self.scan))
                    (data("label-map", self.label_map))
                    (data("pause-map", self.pause_map))
                    script { (PreEscaped(NIIVUE)) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

/// Bytes as text (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let is_there = digit <= three.len();
            text.push(if is_there { char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_the_rfc_has_them() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn names_can_not_end_a_script_or_a_tag() {
        let labels = LabelTable::new(&["</script><script>alert(1)</script>"]);
        let page = Viewer {
            title: "<b>scan",
            scan: b"scan",
            window: [-125.0, 275.0],
            label_map: b"map",
            labels: &labels,
            volumes_ml: &[3.25],
            pause_map: b"",
            pause_point_names: &[],
        };
        let page = page.to_html();
        assert!(!page.contains("<script>alert(1)") && !page.contains("<b>scan"));
        assert!(page.contains("&lt;b&gt;scan") && page.contains("3.2 ml") && page.contains("bWFw"));
        assert!(!NIIVUE.to_lowercase().contains("</script") && !SCRIPT.contains("</script"));
    }
}
