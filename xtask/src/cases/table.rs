//! What is right for each input.

use super::check::Does::{Check, Describe, Evaluate, Model, Segment, SegmentBeside};
use super::check::Expect::{
    Cases, CasesOf, Dice, Fails, MapOf, Mode, SameDice, Says, Succeeds, Unchanged, VolumesOf, Writes,
};
use super::check::{Does, Expect, Row};

const SCAN: &str = "base/scan.nii.gz";

const fn row(case: &'static str, input: &'static str, does: Does, expect: &'static [Expect]) -> Row {
    Row { case, input, does, expect }
}

const fn segment(case: &'static str, input: &'static str, expect: &'static [Expect]) -> Row {
    row(case, input, Segment(&[]), expect)
}

const fn check(case: &'static str, input: &'static str, expect: &'static [Expect]) -> Row {
    row(case, input, Check(&[]), expect)
}

const fn describe(case: &'static str, input: &'static str, expect: &'static [Expect]) -> Row {
    row(case, input, Describe, expect)
}

/// All rows, by case. What each is about stands in the first comment; the sources are in the maker of the inputs.
pub const ALL: &[Row] = &[
    // Both orientation codes are 0: the first axis runs to the left, as for nibabel and ITK.
    segment(
        "01",
        "01_no_forms/none.nii.gz",
        &[Succeeds, MapOf("01_no_forms/explicit.nii.gz", 0.0), Says(&["to run to the left"])],
    ),
    segment(
        "01",
        "01_no_forms/las_without_forms.nii.gz",
        &[
            Succeeds,
            MapOf("01_no_forms/las_with_forms.nii.gz", 0.0),
            Dice("01_no_forms/truth/las_label.nii.gz", 0.3),
        ],
    ),
    // An empty sform beside a good qform; singular ones.
    segment("02", "02_zero_sform/zero_sform.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("02", "02_zero_sform/nan_sform_good_qform.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("02", "02_zero_sform/flat_sform.nii.gz", &[Fails, Says(&["singular"])]),
    segment("02", "02_zero_sform/singular_sform.nii.gz", &[Fails, Says(&["singular"])]),
    // Volumes follow the affine, in the unit of the file.
    segment(
        "03",
        "03_pixdim_differs/pixdim_ones.nii.gz",
        &[Succeeds, VolumesOf(SCAN), MapOf(SCAN, 0.0), Says(&["pixdim"])],
    ),
    segment("03", "03_pixdim_differs/consistent.nii.gz", &[Succeeds, VolumesOf(SCAN)]),
    describe("03", "03_pixdim_differs/data", &[Succeeds, Cases(1)]),
    segment("07", "07_units/micrometres.nii.gz", &[Succeeds, VolumesOf(SCAN), MapOf(SCAN, 0.0)]),
    segment("07", "07_units/metres.nii.gz", &[Succeeds, VolumesOf(SCAN), MapOf(SCAN, 0.0)]),
    segment(
        "08",
        "08_two_dimensional/one_slice_2d.nii.gz",
        &[
            Succeeds,
            MapOf("08_two_dimensional/one_slice_3d.nii.gz", 0.0),
            VolumesOf("08_two_dimensional/one_slice_3d.nii.gz"),
        ],
    ),
    segment(
        "08",
        "08_two_dimensional/one_slice_2d_pixdim3_zero.nii.gz",
        &[Succeeds, MapOf("08_two_dimensional/one_slice_3d.nii.gz", 0.0), Says(&["thickness", "pixdim"])],
    ),
    segment("08", "08_two_dimensional/one_column.nii.gz", &[Succeeds]),
    segment("08", "08_two_dimensional/one_voxel.nii.gz", &[Succeeds]),
    segment("08", "08_two_dimensional/narrow.nii.gz", &[Succeeds]),
    // Voxels that are no numbers are replaced aloud, and change no others.
    segment("11", "11_not_finite/clean.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment(
        "11",
        "11_not_finite/one_nan.nii.gz",
        &[Succeeds, MapOf("11_not_finite/clean.nii.gz", 0.002), Says(&["1 voxel"])],
    ),
    segment(
        "11",
        "11_not_finite/one_inf.nii.gz",
        &[Succeeds, MapOf("11_not_finite/clean.nii.gz", 0.002), Says(&["1 voxel"])],
    ),
    segment(
        "11",
        "11_not_finite/minus_inf.nii.gz",
        &[Succeeds, MapOf("11_not_finite/clean.nii.gz", 0.002), Says(&["infinite"])],
    ),
    segment(
        "11",
        "11_not_finite/double_too_large.nii.gz",
        &[Succeeds, MapOf("11_not_finite/clean.nii.gz", 0.002), Says(&["infinite"])],
    ),
    segment("11", "11_not_finite/nan_background.nii.gz", &[Fails, Says(&["NaN"])]),
    row(
        "11",
        "11_not_finite/nan_background.nii.gz",
        Segment(&["--allow-invalid"]),
        &[Succeeds, MapOf("11_not_finite/clean.nii.gz", 0.1), Says(&["NaN"])],
    ),
    segment("11", "11_not_finite/all_nan.nii.gz", &[Fails, Says(&["finite"])]),
    // Read where the voxels are whole; else the cause is named.
    segment("13", "13_compression/trailing_zeros.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/trailing_bytes.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/two_members.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/member_in_header.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/plain_called_gz.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/packed_called_nii.nii", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/trailing_in_plain.nii", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/packed.nii.GZ", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/packed.nii.gzip", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("13", "13_compression/twice_packed.nii.gz", &[Fails, Says(&["packed twice"])]),
    segment("13", "13_compression/zlib_called_gz.nii.gz", &[Fails, Says(&["zlib"])]),
    segment("13", "13_compression/zipped.nii.zip", &[Fails, Says(&["zip"])]),
    segment("13", "13_compression/zip_called_gz.nii.gz", &[Fails, Says(&["zip"])]),
    segment("13", "13_compression/web_page.nii.gz", &[Fails, Says(&["web page"])]),
    segment("13", "13_compression/lfs_pointer.nii.gz", &[Fails, Says(&["git-lfs", "git lfs"])]),
    // Intensities of another kind are told; a constant volume has no organs.
    segment("15", "15_scaled_already/unit.nii.gz", &[Succeeds, Says(&["intensit"])]),
    segment("15", "15_scaled_already/bytes.nii.gz", &[Succeeds, Says(&["intensit"])]),
    segment("15", "15_scaled_already/no_intercept.nii.gz", &[Succeeds, Says(&["intensit"])]),
    segment("16", "16_constant/zeros.nii.gz", &[Says(&["constant", "all voxels", "one value", "intensit"])]),
    segment("16", "16_constant/constant.nii.gz", &[Says(&["constant", "all voxels", "one value", "intensit"])]),
    check("16", "16_constant/data", &[Fails, Says(&["all gray values"])]),
    // Other formats are read, or named with the way out.
    segment("18", "18_other_formats/nifti2.nii.gz", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("18", "18_other_formats/nifti2.nii", &[Succeeds, MapOf(SCAN, 0.0)]),
    segment("18", "18_other_formats/pair.hdr", &[Fails, Says(&["convert"])]),
    segment("18", "18_other_formats/pair.img", &[Fails, Says(&["convert"])]),
    segment("18", "18_other_formats/analyze.hdr", &[Fails, Says(&["convert"])]),
    segment("18", "18_other_formats/scan.mgz", &[Fails, Says(&["mri_convert"])]),
    segment("18", "18_other_formats/scan.nrrd", &[Fails, Says(&["NRRD"])]),
    segment("18", "18_other_formats/scan.mha", &[Fails, Says(&["MetaImage"])]),
    segment("18", "18_other_formats/dicom/IM0000.dcm", &[Fails, Says(&["DICOM"])]),
    segment("18", "18_other_formats/empty.nii.gz", &[Fails, Says(&["empty"])]),
    segment("18", "18_other_formats/np.npy", &[Fails, Says(&["NIfTI"])]),
    // Nothing is overwritten unasked, least of all the scan.
    row(
        "20",
        "20_output_is_input/same.nii.gz",
        SegmentBeside(&["-o", "same.nii.gz", "--overwrite"]),
        &[Fails, Says(&["same file"]), Unchanged("same.nii.gz")],
    ),
    row(
        "20",
        "20_output_is_input/spelled.nii.gz",
        SegmentBeside(&["-o", "./spelled.nii.gz", "--overwrite"]),
        &[Fails, Says(&["same file"]), Unchanged("spelled.nii.gz")],
    ),
    row(
        "20",
        "20_output_is_input/linked.nii.gz",
        SegmentBeside(&["-o", "alias.nii.gz", "--overwrite"]),
        &[Fails, Says(&["same file"]), Unchanged("linked.nii.gz")],
    ),
    row(
        "21",
        "21_two_with_one_name/scan.nii",
        SegmentBeside(&["scan.nii.gz"]),
        &[Succeeds, Writes(&["scan_segmentation.nii", "scan_segmentation.nii.gz"])],
    ),
    row(
        "21",
        "21_two_with_one_name/drawn.nii.gz",
        SegmentBeside(&[]),
        &[Fails, Says(&["--overwrite"]), Unchanged("drawn_segmentation.nii.gz")],
    ),
    row(
        "22",
        "22_many_scans/a.nii.gz",
        SegmentBeside(&["b.nii.gz", "-o", "maps"]),
        &[Succeeds, Writes(&["maps/a_segmentation.nii.gz", "maps/b_segmentation.nii.gz"])],
    ),
    row(
        "22",
        "22_many_scans/b.nii.gz",
        SegmentBeside(&[".", "-o", "maps"]),
        &[Succeeds, Writes(&["maps/a_segmentation.nii.gz", "maps/b_segmentation.nii.gz"])],
    ),
    // Pairs of data sets of one's own.
    describe("23", "23_apple_double/Task09_Spleen", &[Succeeds, Cases(5), Says(&["used 10 of 12"])]),
    check("23", "23_apple_double/written.toml", &[Says(&["spleen_009"])]),
    check("24", "24_label_geometry/right", &[Succeeds, Cases(1)]),
    check("24", "24_label_geometry/rounding", &[Succeeds, Cases(1)]),
    check("24", "24_label_geometry/stored_otherwise", &[Succeeds, Cases(1)]),
    check("24", "24_label_geometry/identity", &[Fails, Says(&["do not lie on each other"])]),
    check("24", "24_label_geometry/unit_identity", &[Fails, Says(&["do not lie on each other"])]),
    check("24", "24_label_geometry/other_origin", &[Fails, Says(&["do not lie on each other"])]),
    check("24", "24_label_geometry/turned_12_degrees", &[Fails, Says(&["do not lie on each other"])]),
    check("24", "24_label_geometry/no_forms", &[Fails, Says(&["do not lie on each other"])]),
    check("24", "24_label_geometry/shifted_four_slices", &[Fails, Says(&["do not lie on each other"])]),
    check("25", "25_float_labels/float32", &[Succeeds, Cases(1)]),
    describe("25", "25_float_labels/float32", &[Succeeds, Cases(1)]),
    check("25", "25_float_labels/almost", &[Succeeds, Cases(1)]),
    describe("25", "25_float_labels/almost", &[Succeeds, Cases(1)]),
    check("25", "25_float_labels/scaled_int16", &[Succeeds, Cases(1)]),
    describe("25", "25_float_labels/scaled_int16", &[Succeeds, Cases(1)]),
    check("25", "25_float_labels/scaled_uint8", &[Succeeds, Cases(1)]),
    check("25", "25_float_labels/scaled_colin", &[Fails, Says(&["which is no label", "label value 3.01"])]),
    describe("25", "25_float_labels/scaled_colin", &[Fails, Says(&["which is no label", "label value 3.01"])]),
    check("25", "25_float_labels/interpolated", &[Fails, Says(&["2.25"])]),
    describe("27", "27_one_file_an_organ", &[Succeeds, Cases(3), Says(&["kidney left"])]),
    describe("28", "28_nnunet_layout/one_channel", &[Succeeds, Cases(4), Says(&["used 8 of 9"])]),
    describe("28", "28_nnunet_layout/two_channels", &[Succeeds, Cases(4), Says(&["--sequence 0001"])]),
    describe("28", "28_nnunet_layout/prefixes", &[Succeeds, Cases(4)]),
    describe("28", "28_nnunet_layout/suffix", &[Succeeds, Cases(3)]),
    describe("28", "28_nnunet_layout/folders", &[Succeeds, Cases(3)]),
    describe("28", "28_nnunet_layout/mixed_endings", &[Succeeds, Cases(3)]),
    describe("28", "28_nnunet_layout/one_unlabelled", &[Succeeds, Cases(3), Says(&["used 6 of 8"])]),
    describe("29", "29_case_names/spaces", &[Succeeds, Cases(3)]),
    describe("29", "29_case_names/dots", &[Succeeds, Cases(3)]),
    describe("29", "29_case_names/brackets", &[Succeeds, Cases(3)]),
    describe("29", "29_case_names/capitals", &[Succeeds, Cases(3)]),
    describe("29", "29_case_names/one_capital", &[Succeeds, Cases(3)]),
    describe("29", "29_case_names/umlauts", &[Succeeds, Cases(3)]),
    describe("30", "30_words_in_folders/inside", &[Succeeds, Cases(3)]),
    describe("30", "30_words_in_folders/segthor", &[Succeeds, Cases(3)]),
    describe("30", "30_words_in_folders/unlabeled", &[Succeeds, Cases(3)]),
    describe("30", "30_words_in_folders/seg_in_case", &[Succeeds, Cases(3)]),
    // Folders of ACDC as people have them.
    check("32", "32_acdc_folders/crlf", &[Succeeds, Cases(4)]),
    check("32", "32_acdc_folders/bom", &[Succeeds, Cases(4)]),
    check("32", "32_acdc_folders/tight", &[Succeeds, Cases(4)]),
    check("32", "32_acdc_folders/latin", &[Succeeds, Cases(4)]),
    check("32", "32_acdc_folders/swapped", &[Succeeds, Cases(4)]),
    check("32", "32_acdc_folders/database/training", &[Succeeds, Cases(4)]),
    check("32", "32_acdc_folders/database", &[Fails, Says(&["training"])]),
    check("32", "32_acdc_folders/no_info", &[Fails, Says(&["Info.cfg"])]),
    check("32", "32_acdc_folders/no_truth", &[Fails, Says(&["_gt"])]),
    check("32", "32_acdc_folders/frame_missing", &[Fails, Says(&["frame13"])]),
    check("32", "32_acdc_folders/stray_patient", &[Fails, Says(&["patient002"])]),
    // Plain numbers are read; else the real reason is said, and the keys that are there.
    check("34", "34_h5_variants/plain", &[Succeeds, Cases(1)]),
    check("34", "34_h5_variants/gzip", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/shuffle_fletcher", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/latest", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/latest_many_chunks", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/earliest_resizable", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/latest_resizable", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/user_block", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/track_order", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/float16", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/float64_int64", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/big_endian", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/bool_label", &[Succeeds, Cases(1)]),
    check("34", "34_h5_variants/float_label", &[Succeeds, Cases(1), CasesOf("34_h5_variants/plain")]),
    check("34", "34_h5_variants/lzf", &[Fails, Says(&["lzf"])]),
    check("34", "34_h5_variants/one_hot", &[Fails, Says(&["shape", "axes", "dimension"])]),
    check("34", "34_h5_variants/channel_last", &[Says(&["shape", "axes", "dimension", "\"problems\":[]"])]),
    check("34", "34_h5_variants/img_key", &[Fails, Says(&["img"])]),
    check("34", "34_h5_variants/mask_key", &[Fails, Says(&["mask"])]),
    check("34", "34_h5_variants/not_scaled", &[Fails, Says(&["not from 0 to 1"])]),
    row("35", "35_npz_variants/plain", Check(TRANSUNET), &[ONLY_FEWER_SLICES]),
    row(
        "35",
        "35_npz_variants/uncompressed",
        Check(TRANSUNET),
        &[CasesOf("35_npz_variants/plain"), ONLY_FEWER_SLICES],
    ),
    row("35", "35_npz_variants/float16", Check(TRANSUNET), &[CasesOf("35_npz_variants/plain"), ONLY_FEWER_SLICES]),
    row(
        "35",
        "35_npz_variants/double_and_float_label",
        Check(TRANSUNET),
        &[CasesOf("35_npz_variants/plain"), ONLY_FEWER_SLICES],
    ),
    row("35", "35_npz_variants/bool_label", Check(TRANSUNET), &[ONLY_FEWER_SLICES]),
    row("35", "35_npz_variants/fortran", Check(TRANSUNET), &[CasesOf("35_npz_variants/plain"), ONLY_FEWER_SLICES]),
    row("35", "35_npz_variants/transposed_view", Check(TRANSUNET), &[ONLY_FEWER_SLICES]),
    row("35", "35_npz_variants/img_key", Check(TRANSUNET), &[Fails, Says(&["img"])]),
    row("35", "35_npz_variants/one_hot", Check(TRANSUNET), &[Fails, Says(&["shape", "axes"])]),
    row("35", "35_npz_variants/longdouble", Check(TRANSUNET), &[Fails, Says(&["f16", "longdouble", "type"])]),
    row("35", "35_npz_variants/object_label", Check(TRANSUNET), &[Fails, Says(&["object"])]),
    row("35", "35_npz_variants/missing_slice", Check(TRANSUNET), &[Fails, Says(&["slice"])]),
    // What is no model is said to be none.
    row("39", "39_wrong_model/scan.nii.gz", Model("39_wrong_model/nowhere"), &[Fails, Says(&["does not exist"])]),
    row("39", "39_wrong_model/scan.nii.gz", Model("39_wrong_model/empty"), &[Fails, Says(&["checkpoint"])]),
    row(
        "39",
        "39_wrong_model/scan.nii.gz",
        Model("39_wrong_model/sam.pth"),
        &[Fails, Says(&["not a usable model"])],
    ),
    segment("44", "44_permissions/scan.nii.gz", &[Succeeds, Mode(0o644)]),
    // The checkpoint's intensity is that of the data.
    row("45", "45_intensity_of_the_checkpoint/data", Evaluate, &[Succeeds, SameDice(0.3)]),
];

/// The inputs have four slices, the published case more; nothing else is wrong with them.
const ONLY_FEWER_SLICES: Expect = Says(&["\"problems\":[\"case0005 has 4 slices, the published one has 117\"]"]);

/// How files of TransUNet are read.
const TRANSUNET: &[&str] = &["--label-scheme", "transunet"];
