//! What organs are called in SNOMED CT, and colors as DICOM has them.

/// A concept: code, coding scheme and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code.
    pub value: &'static str,
    /// `SCT` or `DCM`.
    pub scheme: &'static str,
    /// The concept in words.
    pub meaning: &'static str,
}

/// The category of all segments.
pub const ANATOMICAL_STRUCTURE: Code = sct("123037004", "Anatomical Structure");
/// The type of those whose name is not in the table.
const ORGAN: Code = sct("113343008", "Organ");

const KNOWN: [(&[&str], Code); 15] = [
    (&["liver"], sct("10200004", "Liver")),
    (&["spleen"], sct("78961009", "Spleen")),
    (&["left kidney", "kidney left"], sct("18639004", "Left kidney")),
    (&["right kidney", "kidney right"], sct("9846003", "Right kidney")),
    (&["kidney", "kidneys"], sct("64033007", "Kidney")),
    (&["aorta"], sct("15825003", "Aorta")),
    (&["gallbladder", "gall bladder"], sct("28231008", "Gallbladder")),
    (&["pancreas"], sct("15776009", "Pancreas")),
    (&["stomach"], sct("69695003", "Stomach")),
    (&["esophagus", "oesophagus"], sct("32849002", "Esophagus")),
    (&["brain"], sct("12738006", "Brain")),
    (&["heart"], sct("80891009", "Heart")),
    (&["left ventricle", "heart left ventricle"], sct("87878005", "Left ventricle")),
    (&["right ventricle", "heart right ventricle"], sct("53085002", "Right ventricle")),
    (&["myocardium", "heart myocardium"], sct("74281007", "Myocardium")),
];

const fn sct(value: &'static str, meaning: &'static str) -> Code {
    Code { value, scheme: "SCT", meaning }
}

/// The concept for a class's name, whatever its case, and with `_` or `-` for spaces; "Organ" where it is not known.
pub fn organ(name: &str) -> Code {
    let plain = name.to_lowercase().replace(['_', '-'], " ");
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    KNOWN.iter().find(|(names, _)| names.contains(&plain.as_str())).map_or(ORGAN, |(_, code)| *code)
}

/// An sRGB color as CIELab in 16 bits each (DICOM PS3.3, C.10.7.1.1).
pub fn cie_lab(rgb: [u8; 3]) -> [u16; 3] {
    let [red, green, blue] = rgb.map(|byte| {
        let share = f64::from(byte) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    // To XYZ, each by that of white (D65).
    let x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047;
    let y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue;
    let z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883;
    let [x, y, z] = [x, y, z].map(|t| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
    let scaled = |value: f64, least: f64, range: f64| {
        ((value - least) / range * 65535.0).round().clamp(0.0, 65535.0) as u16
    };
    [
        scaled(116.0 * y - 16.0, 0.0, 100.0),
        scaled(500.0 * (x - y), -128.0, 255.0),
        scaled(200.0 * (y - z), -128.0, 255.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_codes() {
        assert_eq!(organ("Kidney_Left").value, "18639004");
        assert_eq!(organ("left-kidney").value, "18639004");
        assert_eq!(organ("liver").meaning, "Liver");
        assert_eq!(organ("tumour"), ORGAN);
    }

    #[test]
    fn colors_are_those_of_cie() {
        // White, black, and the red of sRGB: L 53.24, a 80.09, b 67.20.
        assert_eq!(cie_lab([255; 3])[0], 65535);
        assert_eq!(cie_lab([0; 3])[0], 0);
        let [l, a, b] = cie_lab([255, 0, 0]).map(f64::from);
        assert!((l / 655.35 - 53.24).abs() < 0.01);
        assert!((a / 257.0 - 128.0 - 80.09).abs() < 0.01);
        assert!((b / 257.0 - 128.0 - 67.20).abs() < 0.01);
    }
}
