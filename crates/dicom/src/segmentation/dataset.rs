//! The attributes of a segmentation (DICOM PS3.3, A.51).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use fastersam_volume::label_color;

use super::codes::{ANATOMICAL_STRUCTURE, Code, cie_lab, organ};
use super::elements::{code_item, cut, decimals, element, item, sequence, strings};
use super::{Created, Segmentation};
use crate::frames::Frame;
use crate::series::DicomSeries;

const PROGRAM: &str = "FasterSAM";
/// A segmentation's Series Number is that of its images and so much more: viewers list both.
const SERIES_NUMBERS_ON: i32 = 1000;

/// What a data set is made of, beside the series and what is said about it.
pub struct Content<'a> {
    /// SOP Instance UID.
    pub instance_uid: &'a str,
    /// Series Instance UID.
    pub series_uid: &'a str,
    /// Dimension Organization UID.
    pub dimension_uid: &'a str,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: &'a str,
    /// When it was made.
    pub created: &'a Created,
    /// Class and slice of each frame.
    pub frames: &'a [(u8, usize)],
    /// Their bits.
    pub pixels: Vec<u8>,
}

/// All attributes.
pub fn build(series: &DicomSeries, about: &Segmentation, content: &Content) -> InMemDicomObject {
    let [n_columns, n_rows, _] = series.grid().shape;
    let mut object = InMemDicomObject::new_empty();
    let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
        object.put(DataElement::new(tag, vr, value));
    };
    put(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192".into());
    for (tag, value) in &series.about.copied {
        let vr = match *tag {
            tags::PATIENT_NAME | tags::REFERRING_PHYSICIAN_NAME => VR::PN,
            tags::PATIENT_BIRTH_DATE | tags::STUDY_DATE => VR::DA,
            tags::STUDY_TIME => VR::TM,
            tags::PATIENT_SEX => VR::CS,
            tags::STUDY_ID | tags::ACCESSION_NUMBER => VR::SH,
            _ => VR::LO,
        };
        put(*tag, vr, value.as_str().into());
    }
    let series_number =
        series.about.number.parse::<i32>().unwrap_or(0).saturating_add(SERIES_NUMBERS_ON).to_string();
    let texts: [(Tag, VR, &str); 26] = [
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        (tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, content.instance_uid),
        (tags::STUDY_INSTANCE_UID, VR::UI, &series.about.study_uid),
        (tags::SERIES_INSTANCE_UID, VR::UI, content.series_uid),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, content.frame_of_reference_uid),
        (tags::MODALITY, VR::CS, "SEG"),
        (tags::SERIES_NUMBER, VR::IS, &series_number),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
        (tags::INSTANCE_CREATION_DATE, VR::DA, &content.created.date),
        (tags::INSTANCE_CREATION_TIME, VR::TM, &content.created.time),
        (tags::SERIES_DATE, VR::DA, &content.created.date),
        (tags::SERIES_TIME, VR::TM, &content.created.time),
        (tags::CONTENT_DATE, VR::DA, &content.created.date),
        (tags::CONTENT_TIME, VR::TM, &content.created.time),
        (tags::SERIES_DESCRIPTION, VR::LO, "Segmentation by FasterSAM, not for clinical use"),
        (tags::MANUFACTURER, VR::LO, "The FasterSAM in Rust authors"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, PROGRAM),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO, "none"),
        (tags::CONTENT_LABEL, VR::CS, "SEGMENTATION"),
        (tags::CONTENT_DESCRIPTION, VR::LO, "Organs by an automatic segmentation"),
        (tags::CONTENT_CREATOR_NAME, VR::PN, "FasterSAM^in Rust"),
        (tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
        (tags::SEGMENTS_OVERLAP, VR::CS, "NO"),
        (tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
    ];
    texts.into_iter().for_each(|(tag, vr, value)| put(tag, vr, strings(value)));
    let [lossy, ratio, method] = &series.about.lossy;
    if lossy == "01" {
        let known = [
            (tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, ratio),
            (tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, method),
        ];
        put(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01".into());
        known
            .into_iter()
            .filter(|(.., value)| !value.is_empty())
            .for_each(|(tag, vr, value)| put(tag, vr, strings(value)));
    } else {
        put(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00".into());
    }
    put(tags::SOFTWARE_VERSIONS, VR::LO, cut(about.program_version).as_str().into());
    put(tags::NUMBER_OF_FRAMES, VR::IS, content.frames.len().to_string().as_str().into());
    let numbers: [(Tag, u16); 7] = [
        (tags::SAMPLES_PER_PIXEL, 1),
        // Both came from 16 bits.
        (tags::ROWS, n_rows as u16),
        (tags::COLUMNS, n_columns as u16),
        (tags::BITS_ALLOCATED, 1),
        (tags::BITS_STORED, 1),
        (tags::HIGH_BIT, 0),
        (tags::PIXEL_REPRESENTATION, 0),
    ];
    numbers.into_iter().for_each(|(tag, value)| put(tag, VR::US, value.into()));
    put(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(content.pixels.clone().into()));
    let names: Vec<&str> = about.table.names.iter().skip(1).map(String::as_str).collect();
    let segments = names.iter().enumerate().map(|(at, name)| segment(at + 1, name, about)).collect();
    object.put(sequence(tags::SEGMENT_SEQUENCE, segments));
    object.put(sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![references(series)]));
    dimensions(&mut object, content.dimension_uid);
    object.put(sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared_groups(series)]));
    let groups = content.frames.iter().map(|&(class, slice)| frame_groups(&series.frames[slice], class, slice));
    object.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, groups.collect()));
    object
}

fn segment(number: usize, name: &str, about: &Segmentation) -> InMemDicomObject {
    let name = if name.trim().is_empty() { "unnamed" } else { name };
    // At most 255 classes.
    let number = number as u16;
    let code = about.table.code(number as u8);
    let algorithm = item([
        sequence(
            tags::ALGORITHM_FAMILY_CODE_SEQUENCE,
            vec![code_item(Code { value: "123110", scheme: "DCM", meaning: "Artificial Intelligence" })],
        ),
        element(tags::ALGORITHM_NAME, VR::LO, PROGRAM),
        element(tags::ALGORITHM_VERSION, VR::LO, &cut(about.program_version)),
        element(tags::ALGORITHM_PARAMETERS, VR::LT, &format!("model sha256 {}", about.model_sha256)),
    ]);
    item([
        DataElement::new(tags::SEGMENT_NUMBER, VR::US, PrimitiveValue::from(number)),
        element(tags::SEGMENT_LABEL, VR::LO, &cut(name)),
        element(tags::SEGMENT_DESCRIPTION, VR::ST, &format!("{name}, {code} in label maps")),
        element(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC"),
        element(tags::SEGMENT_ALGORITHM_NAME, VR::LO, PROGRAM),
        DataElement::new(
            tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE,
            VR::US,
            PrimitiveValue::U16(cie_lab(label_color(number.into())).as_slice().into()),
        ),
        sequence(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, vec![code_item(ANATOMICAL_STRUCTURE)]),
        sequence(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, vec![code_item(organ(name))]),
        sequence(tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, vec![algorithm]),
    ])
}

/// The images of the series.
fn references(series: &DicomSeries) -> InMemDicomObject {
    let mut instances: Vec<InMemDicomObject> = Vec::new();
    let mut last = "";
    for frame in &series.frames {
        if frame.sop_instance != last {
            instances.push(item([
                element(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &frame.sop_class),
                element(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &frame.sop_instance),
            ]));
            last = &frame.sop_instance;
        }
    }
    item([
        element(tags::SERIES_INSTANCE_UID, VR::UI, &series.about.series_uid),
        sequence(tags::REFERENCED_INSTANCE_SEQUENCE, instances),
    ])
}

/// Frames are indexed by their segment and their place.
fn dimensions(object: &mut InMemDicomObject, uid: &str) {
    let index = |tag: Tag, group: Tag, label: &str| {
        item([
            element(tags::DIMENSION_ORGANIZATION_UID, VR::UI, uid),
            DataElement::new(tags::DIMENSION_INDEX_POINTER, VR::AT, PrimitiveValue::from(tag)),
            DataElement::new(tags::FUNCTIONAL_GROUP_POINTER, VR::AT, PrimitiveValue::from(group)),
            element(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
        ])
    };
    let organization = item([element(tags::DIMENSION_ORGANIZATION_UID, VR::UI, uid)]);
    object.put(sequence(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![organization]));
    object.put(sequence(
        tags::DIMENSION_INDEX_SEQUENCE,
        vec![
            index(tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE, "Segment Number"),
            index(tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "Image Position Patient"),
        ],
    ));
}

fn shared_groups(series: &DicomSeries) -> InMemDicomObject {
    let plane = series.frames[0].plane;
    let slice_mm = series.grid().spacing_mm[2];
    let measures = item([
        decimals(tags::SLICE_THICKNESS, &[slice_mm]),
        decimals(tags::SPACING_BETWEEN_SLICES, &[slice_mm]),
        decimals(tags::PIXEL_SPACING, &plane.spacing_mm),
    ]);
    let orientation = item([decimals(tags::IMAGE_ORIENTATION_PATIENT, &plane.orientation)]);
    item([
        sequence(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]),
        sequence(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]),
    ])
}

fn frame_groups(frame: &Frame, class: u8, slice: usize) -> InMemDicomObject {
    let purpose = Code { value: "121322", scheme: "DCM", meaning: "Source image for image processing operation" };
    let derivation = Code { value: "113076", scheme: "DCM", meaning: "Segmentation" };
    let mut source = item([
        element(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &frame.sop_class),
        element(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &frame.sop_instance),
        element(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES"),
        sequence(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![code_item(purpose)]),
    ]);
    if frame.is_multi_frame {
        source.put(element(tags::REFERENCED_FRAME_NUMBER, VR::IS, &(frame.index + 1).to_string()));
    }
    // Slices count from 1.
    let index = PrimitiveValue::U32([u32::from(class), slice as u32 + 1].as_slice().into());
    let content = item([DataElement::new(tags::DIMENSION_INDEX_VALUES, VR::UL, index)]);
    let number = DataElement::new(tags::REFERENCED_SEGMENT_NUMBER, VR::US, PrimitiveValue::from(u16::from(class)));
    item([
        sequence(tags::FRAME_CONTENT_SEQUENCE, vec![content]),
        sequence(
            tags::PLANE_POSITION_SEQUENCE,
            vec![item([decimals(tags::IMAGE_POSITION_PATIENT, &frame.position_mm)])],
        ),
        sequence(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![item([number])]),
        sequence(
            tags::DERIVATION_IMAGE_SEQUENCE,
            vec![item([
                sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![source]),
                sequence(tags::DERIVATION_CODE_SEQUENCE, vec![code_item(derivation)]),
            ])],
        ),
    ])
}
