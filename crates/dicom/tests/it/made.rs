//! Small series that a test writes itself.

use std::path::{Path, PathBuf};

use dicom_core::value::{DataSetSequence, PixelFragmentSequence, Value};
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;
use fastersam_dicom::{DicomError, DicomSeries};
use fastersam_volume::Scan;

/// An image of two rows and three columns in a series of its kind; a test changes what it is about.
#[derive(Clone, Debug)]
pub struct Image {
    pub sop_class: &'static str,
    pub transfer_syntax: &'static str,
    pub series_uid: String,
    pub series_number: &'static str,
    pub description: &'static str,
    pub instance_uid: String,
    pub position_mm: [f64; 3],
    pub orientation: [f64; 6],
    /// Distance between rows, then between columns.
    pub spacing_mm: [f64; 2],
    pub shape: [u16; 2],
    pub bits: [u16; 3],
    pub is_signed: bool,
    pub rescale: Option<[&'static str; 2]>,
    pub pixels: Pixels,
    /// What is set beside or in the place of all this; without a value, it is removed.
    pub more: Vec<(Tag, VR, Option<PrimitiveValue>)>,
}

#[derive(Clone, Debug)]
pub enum Pixels {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    Fragments(Vec<Vec<u8>>),
}

pub const SERIES: &str = "1.2.3.4";
pub const STUDY: &str = "1.2.3";
pub const FRAME_OF_REFERENCE: &str = "1.2.3.9";
pub const AXIAL: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

impl Image {
    /// The axial slice `k` of a stack that goes up by 2.5 mm; pixels are `100 k` to `100 k + 5`.
    pub fn axial(k: u16) -> Self {
        Self {
            sop_class: uids::CT_IMAGE_STORAGE,
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
            series_uid: SERIES.to_owned(),
            series_number: "7",
            description: "abdomen",
            instance_uid: format!("{SERIES}.{}", k + 1),
            position_mm: [-10.0, -20.0, 30.0 + 2.5 * f64::from(k)],
            orientation: AXIAL,
            spacing_mm: [0.5, 0.75],
            shape: [2, 3],
            bits: [16, 16, 15],
            is_signed: false,
            rescale: None,
            pixels: Pixels::Words((0..6).map(|pixel| 100 * k + pixel).collect()),
            more: Vec::new(),
        }
    }

    pub fn object(&self) -> InMemDicomObject {
        let mut object = InMemDicomObject::new_empty();
        let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
            object.put(DataElement::new(tag, vr, value));
        };
        let texts = [
            (tags::SOP_CLASS_UID, VR::UI, self.sop_class),
            (tags::SOP_INSTANCE_UID, VR::UI, &self.instance_uid),
            (tags::STUDY_INSTANCE_UID, VR::UI, STUDY),
            (tags::SERIES_INSTANCE_UID, VR::UI, &self.series_uid),
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, FRAME_OF_REFERENCE),
            (tags::SERIES_NUMBER, VR::IS, self.series_number),
            (tags::SERIES_DESCRIPTION, VR::LO, self.description),
            (tags::MODALITY, VR::CS, "CT"),
            (tags::PATIENT_NAME, VR::PN, "Made^Up"),
            (tags::PATIENT_ID, VR::LO, "made up"),
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        ];
        texts.into_iter().for_each(|(tag, vr, text)| put(tag, vr, text.into()));
        put(tags::IMAGE_POSITION_PATIENT, VR::DS, numbers(&self.position_mm));
        put(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, numbers(&self.orientation));
        put(tags::PIXEL_SPACING, VR::DS, numbers(&self.spacing_mm));
        if let Some([slope, intercept]) = self.rescale {
            put(tags::RESCALE_SLOPE, VR::DS, slope.into());
            put(tags::RESCALE_INTERCEPT, VR::DS, intercept.into());
        }
        let [allocated, stored, high] = self.bits;
        let shorts = [
            (tags::ROWS, self.shape[0]),
            (tags::COLUMNS, self.shape[1]),
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::BITS_ALLOCATED, allocated),
            (tags::BITS_STORED, stored),
            (tags::HIGH_BIT, high),
            (tags::PIXEL_REPRESENTATION, self.is_signed.into()),
        ];
        shorts.into_iter().for_each(|(tag, number)| put(tag, VR::US, number.into()));
        match &self.pixels {
            Pixels::Bytes(bytes) => put(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.as_slice().into())),
            Pixels::Words(words) => put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.as_slice().into())),
            Pixels::Fragments(fragments) => {
                let all: PixelFragmentSequence<Vec<u8>> = PixelFragmentSequence::new_fragments(fragments.clone());
                object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, Value::PixelSequence(all)));
            }
        }
        for (tag, vr, value) in &self.more {
            match value {
                Some(value) => drop(object.put(DataElement::new(*tag, *vr, value.clone()))),
                None => drop(object.remove_element(*tag)),
            }
        }
        object
    }

    pub fn write(&self, path: &Path) {
        write(self.object(), self.sop_class, self.transfer_syntax, path);
    }
}

pub fn write(object: InMemDicomObject, sop_class: &str, transfer_syntax: &str, path: &Path) {
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax)
        .media_storage_sop_class_uid(sop_class)
        .media_storage_sop_instance_uid("1.2.3.4.5");
    object.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

pub fn numbers(values: &[f64]) -> PrimitiveValue {
    PrimitiveValue::Strs(values.iter().map(ToString::to_string).collect())
}

pub fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::new(items, Length::UNDEFINED))
}

/// A folder with these images; the names say nothing of their order.
pub fn folder(images: &[Image]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (at, image) in images.iter().enumerate() {
        image.write(&folder.path().join(format!("{:03}.dcm", at * 37 % 101)));
    }
    folder
}

/// The axial slices `0..n`, from the top down.
pub fn stack(n: u16) -> Vec<Image> {
    (0..n).rev().map(Image::axial).collect()
}

pub fn scan_of(images: &[Image]) -> Result<Scan, DicomError> {
    let folder = folder(images);
    DicomSeries::open(folder.path(), None)?.scan()
}

/// Why the images are no scan.
pub fn refusal(images: &[Image]) -> String {
    scan_of(images).unwrap_err().to_string()
}

pub fn check_refusal(images: &[Image], expected: &[&str]) {
    let found = refusal(images);
    for part in expected {
        assert!(found.contains(part), "`{part}` is not in: {found}");
    }
}

/// A path in a folder, with bytes in it.
pub fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
