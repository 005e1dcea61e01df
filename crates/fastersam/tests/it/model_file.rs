//! One-file models: equal to their checkpoints, readable by anybody, and refused where they are not as they were written.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fastersam::model_file::{self, ModelCard, Program, Score, is_model_file, read_card};
use fastersam::{Checkpoint, FasterSamError, ModelConfig, PauseSettings, Segmenter, WeightPaths};
use fastersam_adapter::ConvNorm;
use fastersam_volume::KeyedRng;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::checkpoint::{
    info, logits, save, tiny_config, train, tuned, tuned_config, tuned_with_low_rank, write_backbone,
};
use crate::weights::files::{Folder, Stored, pytorch, safetensors};
use crate::weights::loading::sam_entries;

fn card(checkpoint: &Checkpoint) -> ModelCard {
    let program = Program { version: "0.1.0".to_owned(), commit: "c0ffee".to_owned() };
    ModelCard {
        license: Some("CC-BY-4.0".to_owned()),
        scores: vec![Score {
            dataset: "noise".to_owned(),
            split: "test".to_owned(),
            note: None,
            n_cases: 3,
            pausing: PauseSettings::never(),
            dice: Some(0.25),
            dice_interval: Some((0.125, 0.5)),
            hd95_vox: None,
            hd95_mm: None,
            dice_per_class: vec![Some(0.25), None, Some(0.25)],
            encoder_macs_saved: Some(0.0),
            date: "2026-01-01T00:00:00Z".to_owned(),
        }],
        ..ModelCard::new("noise".to_owned(), program, checkpoint.info.clone())
    }
}

/// The checkpoint at `place` as the file `name` of a new folder in which nothing else lies.
fn export(folder: &Folder, place: &Path, name: &str, frozen_inside: bool) -> PathBuf {
    let checkpoint = Checkpoint::load(place, &Device::flex()).unwrap();
    let alone = folder.path().join(name.trim_end_matches(".fastersam"));
    std::fs::create_dir_all(&alone).unwrap();
    let path = alone.join(name);
    model_file::write(&path, &ModelCard { frozen_inside, ..card(&checkpoint) }, &checkpoint.model).unwrap();
    path
}

fn load(path: &Path) -> Result<Checkpoint, FasterSamError> {
    Checkpoint::load(path, &Device::flex())
}

fn reason(path: &Path) -> String {
    load(path).map(|_| "it was accepted").unwrap_err().to_string()
}

fn whole(folder: &Folder, config: &ModelConfig) -> PathBuf {
    save(&folder.path().join("run"), &info(config.clone(), None), &train(config, &WeightPaths::default()))
}

#[test]
fn a_file_alone_gives_the_logits_of_its_checkpoint_to_the_bit() {
    let mut batch_norm = tiny_config();
    batch_norm.conv_branch.as_mut().unwrap().norm = ConvNorm::Batch;
    let makers: [&dyn Fn(&Folder) -> PathBuf; 4] = [
        &|folder| whole(folder, &tiny_config()),
        &|folder| whole(folder, &batch_norm),
        &|folder| tuned(folder).0,
        &|folder| tuned_with_low_rank(folder).0,
    ];
    for (i, make) in makers.iter().enumerate() {
        let folder = Folder::new();
        let place = make(&folder);
        let checkpoint = load(&place).unwrap();
        // A checkpoint's values are read when they are first used.
        let expected = logits(&checkpoint.model);
        let path = export(&folder, &place, "liver.fastersam", true);
        let again = export(&folder, &place, "again.fastersam", true);
        assert!(std::fs::read(&path).unwrap() == std::fs::read(again).unwrap(), "{i}: equal models, equal files");
        // Neither checkpoint nor weight files are left.
        let elsewhere = tempfile::tempdir().unwrap();
        let alone = elsewhere.path().join("liver.fastersam");
        std::fs::rename(&path, &alone).unwrap();
        drop(folder);
        let found = load(&alone).unwrap();
        assert_eq!(logits(&found.model), expected, "{i}");
        assert_eq!(found.weights_sha256, checkpoint.weights_sha256);
        assert_eq!(found.info.labels, checkpoint.info.labels);
        assert_eq!(found.card.unwrap().scores, card(&checkpoint).scores);
        assert!(Segmenter::load(&alone, &Device::flex()).is_ok());
    }
}

#[test]
fn the_frozen_parameters_may_stay_in_their_own_file() {
    let folder = Folder::new();
    let (place, backbone, model) = tuned(&folder);
    let expected = logits(&model);
    let inside = export(&folder, &place, "inside.fastersam", true);
    let path = export(&folder, &place, "outside.fastersam", false);
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    let counts = tuned_config().count_parameters(&model);
    assert!(size(&inside) - size(&path) >= 4 * (counts.all - counts.trained - 100));
    // Where the file lay in training is nobody's business, and not looked at.
    let remembered = read_card(&path).unwrap().checkpoint.backbone_file.unwrap();
    assert_eq!(remembered, Path::new("sam.safetensors"));
    let FasterSamError::WeightsNeeded { part, missing, .. } = load(&path).unwrap_err() else { panic!() };
    assert_eq!((part, missing), ("backbone", Some(path.with_file_name("sam.safetensors"))));
    let given = Checkpoint::load_with(&path, Some(&backbone), &Device::flex()).unwrap();
    assert_eq!(logits(&given.model), expected);
    std::fs::rename(&backbone, path.with_file_name("sam.safetensors")).unwrap();
    assert_eq!(logits(&load(&path).unwrap().model), expected);
    // Another file of that name.
    let other = write_backbone(&folder, "other.safetensors", 2);
    std::fs::rename(other, path.with_file_name("sam.safetensors")).unwrap();
    assert!(reason(&path).contains("SHA-256"), "{}", reason(&path));
}

#[test]
fn the_backbone_has_the_names_and_the_layout_of_the_official_file() {
    let folder = Folder::new();
    let (place, backbone, model) = tuned(&folder);
    let (file, official) = (
        std::fs::read(export(&folder, &place, "liver.fastersam", true)).unwrap(),
        std::fs::read(backbone).unwrap(),
    );
    let (file, official) =
        (SafeTensors::deserialize(&file).unwrap(), SafeTensors::deserialize(&official).unwrap());
    let mut n_equal = 0;
    for entry in sam_entries() {
        let (found, expected) = (file.tensor(&entry.key).unwrap(), official.tensor(&entry.key).unwrap());
        // What is trained, and position tables of another size, differ in their values.
        let is_trained = entry.key.contains("norm") || entry.key.contains("neck");
        if found.shape() == expected.shape() && !is_trained {
            assert!(found.data() == expected.data(), "{}", entry.key);
            n_equal += 1;
        }
        assert_eq!(found.shape().len(), expected.shape().len(), "{}", entry.key);
    }
    assert!(n_equal > 15, "{n_equal}");
    for key in [
        "image_encoder.neck.0.weight",
        "image_encoder.blocks.0.adapter.up.weight",
        "mask_decoder.mask_tokens.weight",
        "mask_decoder.output_upscaling.0.weight",
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "conv_branch.layers.0.conv.weight",
    ] {
        assert!(file.tensor(key).is_ok(), "{key}");
    }
    let n_values: usize = file.tensors().iter().map(|(_, tensor)| tensor.data().len() / 4).sum();
    assert_eq!(n_values as u64, tuned_config().count_parameters(&model).all);
}

#[test]
fn a_file_with_one_flipped_bit_or_cut_short_is_refused() {
    let folder = Folder::new();
    let path = export(&folder, &whole(&folder, &tiny_config()), "liver.fastersam", true);
    let bytes = std::fs::read(&path).unwrap();
    let mut rng = KeyedRng::new(6, &[]);
    let header_len = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    // The length of the header and its beginning, the seal's surroundings, and anything.
    let seal = find(&bytes, b"\"seal\":\"");
    let anywhere: Vec<usize> = (0..150).map(|_| rng.below(bytes.len())).collect();
    let in_header: Vec<usize> = (0..150).map(|_| rng.below(header_len)).collect();
    for at in (0..24).chain(seal..seal + 75).chain(in_header).chain(anywhere).chain([bytes.len() - 1]) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << rng.below(8);
        std::fs::write(&path, flipped).unwrap();
        assert!(load(&path).is_err(), "byte {at}");
    }
    for len in (0..bytes.len()).step_by(bytes.len().div_ceil(40)).chain([7, 8, 9, bytes.len() - 1]) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        assert!(load(&path).is_err(), "{len} bytes");
    }
    std::fs::write(&path, [&bytes[..], b"\0"].concat()).unwrap();
    assert!(reason(&path).contains("seal"), "{}", reason(&path));
    std::fs::write(&path, bytes).unwrap();
    load(&path).unwrap();
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).unwrap()
}

/// Changes header and values of a file, and seals it again, as whoever means harm would.
fn rewrite(path: &Path, change: impl FnOnce(&mut Value, &mut Value, &mut Vec<u8>)) {
    let bytes = std::fs::read(path).unwrap();
    let start = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let mut header: Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    let mut values = bytes[start..].to_vec();
    let mut card: Value = serde_json::from_str(header["__metadata__"]["fastersam"].as_str().unwrap()).unwrap();
    change(&mut card, &mut header, &mut values);
    header["__metadata__"]["fastersam"] = card.to_string().into();
    header["__metadata__"]["seal"] = fastersam_files::UNSEALED.into();
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    let seal = fastersam_files::sha256([&length[..], header.as_bytes(), &values]);
    let field = |seal: &str| format!("\"seal\":\"{seal}\"");
    let header = header.replacen(&field(fastersam_files::UNSEALED), &field(&seal), 1);
    std::fs::write(path, [&length[..], header.as_bytes(), &values].concat()).unwrap();
}

#[test]
fn a_sealed_file_that_says_what_cannot_be_is_refused_by_name() {
    type Change = fn(&mut Value, &mut Value, &mut Vec<u8>);
    let folder = Folder::new();
    let path = export(&folder, &whole(&folder, &tiny_config()), "liver.fastersam", true);
    let bytes = std::fs::read(&path).unwrap();
    rewrite(&path, |_, _, _| {});
    load(&path).unwrap();
    let cases: [(Change, &str); 17] = [
        (|card, _, _| card["format"] = json!(2), "a newer version wrote it: it has format 2"),
        (|card, _, _| card["format"] = json!(0), "format 0"),
        (|card, _, _| card["surprise"] = json!(1), "surprise"),
        (|card, _, _| card["checkpoint"]["labels"]["names"] = json!(["background", "liver"]), "2 classes"),
        (|card, _, _| card["checkpoint"]["model"]["encoder"]["depth"] = json!(1_000_000_000), "encoder.depth"),
        (|card, _, _| card["checkpoint"]["model"]["encoder"]["depth"] = json!(5), "parameters"),
        (|card, _, _| card["checkpoint"]["model"]["encoder"]["depth"] = json!(7), "lacks"),
        (|card, _, _| card["scores"][0]["dice_per_class"] = json!([0.5]), "1 classes"),
        (|card, _, _| card["scores"][0]["dice_per_class"][0] = json!(1e300), "not between 0 and 1"),
        (
            |card, _, _| card["scores"][0]["pausing"] = json!({"keep_ratio": [0.5, 0.5, 0.5, 0.5, 0.5]}),
            "in its scores on \"noise\"",
        ),
        (
            |card, _, _| {
                let chosen_on = json!({"cases": "valid", "trained_on": false});
                card["checkpoint"]["pause_profiles"] =
                    json!({"two words": {"settings": {"pause_threshold": 0.1}, "chosen_on": chosen_on}});
            },
            "can't be the name of a pause setting",
        ),
        (|card, _, _| card["checkpoint"]["files"] = json!({}), "does not say the SHA-256 of the model.bpk"),
        (|card, _, _| card["checkpoint"]["files"]["model.bpk"] = json!("\u{1b}[2J"), "does not say the SHA-256"),
        (|card, _, _| card["frozen_inside"] = json!(false), "it was accepted"),
        (
            |_, header, _| {
                let bias = &mut header["image_encoder.blocks.0.attn.qkv.bias"];
                let n = bias["shape"][0].as_u64().unwrap();
                bias["shape"] = json!([n / 2, 2]);
            },
            "image_encoder.blocks.0.attn.qkv.bias",
        ),
        (
            |_, header, _| {
                let bias = &mut header["image_encoder.blocks.0.attn.qkv.bias"];
                (bias["dtype"], bias["shape"]) = (json!("F16"), json!([2 * bias["shape"][0].as_u64().unwrap()]));
            },
            "F16",
        ),
        (|_, _, values| values[..4].copy_from_slice(&f32::NAN.to_le_bytes()), "not finite"),
    ];
    for (change, expected) in cases {
        std::fs::write(&path, &bytes).unwrap();
        rewrite(&path, change);
        let found = load(&path).map_or_else(|error| error.to_string(), |_| "it was accepted".to_owned());
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn a_file_names_no_other_folder() {
    let folder = Folder::new();
    let (place, backbone, _) = tuned(&folder);
    let path = export(&folder, &place, "liver.fastersam", false);
    rewrite(&path, |card, _, _| card["checkpoint"]["backbone_file"] = json!(backbone));
    let FasterSamError::WeightsNeeded { missing, .. } = load(&path).unwrap_err() else { panic!() };
    assert_eq!(missing, Some(path.with_file_name("sam.safetensors")));
}

#[test]
fn what_is_no_model_is_named() {
    let folder = Folder::new();
    let sam = write_backbone(&folder, "sam.safetensors", 1);
    assert!(!is_model_file(&sam));
    let text = reason(&sam);
    assert!(text.contains("pre-trained weights (SAM, ") && text.contains("fastersam export"), "{text}");
    if cfg!(feature = "pytorch") {
        let text = reason(&folder.write("sam.pth", &pytorch(&sam_entries(), &[])));
        assert!(text.contains("pre-trained weights"), "{text}");
    }
    let other = safetensors(&[crate::weights::files::counting("x", &[2])], Stored::F32);
    for bytes in [&b""[..], b"liver", &[0xff; 64], &other] {
        let text = reason(&folder.write("liver.fastersam", bytes));
        assert!(text.contains("liver.fastersam"), "{text}");
    }
}
