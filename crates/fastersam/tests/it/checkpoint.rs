//! Saving and loading models, whole ones and such as were tuned on a frozen backbone.

use std::path::{Path, PathBuf};
use std::process::Command;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::checkpoint::{self, Checkpoint, CheckpointInfo};
use fastersam::loss::{one_hot, segmentation_loss};
use fastersam::{FasterSam, FasterSamError, ModelConfig, ModelOptions, Preset, WeightPaths};
use fastersam_adapter::{ConvNorm, Tuning};
use fastersam_kernels::resize_bilinear;
use fastersam_pausing_encoder::PauseSettings;
use fastersam_volume::{Intensity, KeyedRng, LabelTable, Orientation};

use crate::weights::files::{Entry, Folder, Stored, entry, safetensors};
use crate::weights::loading::{sam_config, sam_entries};

const CLASSES: usize = 4;
const SIZE: usize = 64;

/// A small model with windows and relative positions on a backbone that a file has.
pub fn tuned_config() -> ModelConfig {
    let mut config = ModelOptions::new(Preset::VitB).resolve(CLASSES).unwrap();
    config.encoder = sam_config(SIZE);
    config.encoder.n_classes = CLASSES;
    config.conv_branch.as_mut().unwrap().channels = config.encoder.conv_channels;
    config.decoder.skip_channels = Some([16, 16]);
    config.decoder.transformer_dim = config.encoder.out_chans;
    (config.decoder.num_heads, config.decoder.mlp_dim) = (2, 32);
    config
}

pub fn tiny_config() -> ModelConfig {
    let mut options = ModelOptions::new(Preset::Tiny);
    options.input_size = Some(SIZE);
    options.resolve(CLASSES).unwrap()
}

/// A backbone under SAM's names with small random values.
pub fn write_backbone(folder: &Folder, name: &str, seed: u64) -> PathBuf {
    let drawn: Vec<Entry> = sam_entries()
        .into_iter()
        .enumerate()
        .map(|(i, mut entry)| {
            let mut rng = KeyedRng::new(seed, &[i as u64]);
            entry.values.iter_mut().for_each(|value| *value = 0.1 * rng.normal() as f32);
            entry
        })
        .collect();
    folder.write(name, &safetensors(&drawn, Stored::F32))
}

pub fn info(model: ModelConfig, backbone: Option<(&Path, &str)>) -> CheckpointInfo {
    CheckpointInfo {
        backbone_sha256: backbone.map(|(_, sha256)| sha256.to_owned()),
        backbone_file: backbone.map(|(path, _)| path.to_owned()),
        ..CheckpointInfo::new(
            model,
            LabelTable::new(&["right ventricle", "myocardium", "left ventricle"]),
            Intensity::Unit,
            Orientation { axes: [2, 1, 0], positive: [true, false, false] },
            "noise".to_owned(),
        )
    }
}

fn images(n: usize, device: &Device) -> Tensor<4> {
    let mut rng = KeyedRng::new(5, &[]);
    let values: Vec<f32> = (0..n * SIZE * SIZE).map(|_| rng.uniform() as f32).collect();
    Tensor::from_data(TensorData::new(values, [n, 1, SIZE, SIZE]), device)
}

/// Three steps of AdamW.
pub fn train(config: &ModelConfig, paths: &WeightPaths) -> FasterSam {
    let device = Device::flex().autodiff();
    let (mut model, _) = config.init_from(paths, 2, &device).unwrap();
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.1).init();
    let labels: Vec<u8> = (0..2 * SIZE * SIZE).map(|i| (i / 500 % CLASSES) as u8).collect();
    let target = one_hot(&labels, [2, SIZE, SIZE], CLASSES, &device);
    for _ in 0..3 {
        let logits = model.forward(images(2, &device), &PauseSettings::never()).unwrap().logits;
        let loss = segmentation_loss(resize_bilinear(logits, SIZE), target.clone()).combined();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    model.valid()
}

/// The bits of the logits with every token and with pausing.
pub fn logits(model: &FasterSam) -> Vec<u32> {
    let n_points = model.encoder.config().pause_points.len();
    [PauseSettings::never(), PauseSettings::threshold(vec![0.9; n_points])]
        .iter()
        .flat_map(|settings| {
            let logits = model.forward(images(3, &Device::flex()), settings).unwrap().logits;
            logits.into_data().try_to_vec::<f32>().unwrap()
        })
        .map(f32::to_bits)
        .collect()
}

pub fn save(folder: &Path, info: &CheckpointInfo, model: &FasterSam) -> PathBuf {
    checkpoint::save(folder, "step-1", info, model, |_| Ok(())).unwrap()
}

pub fn tuned(folder: &Folder) -> (PathBuf, PathBuf, FasterSam) {
    let backbone = write_backbone(folder, "sam.safetensors", 1);
    let config = tuned_config();
    let paths = WeightPaths { backbone: Some(backbone.clone()), decoder: None };
    let model = train(&config, &paths);
    let sha256 = fastersam_files::sha256_of_file(&backbone).unwrap();
    let place = save(&folder.path().join("run"), &info(config, Some((&backbone, &sha256))), &model);
    (place, backbone, model)
}

#[test]
fn only_what_was_trained_is_saved() {
    let folder = Folder::new();
    let (place, _, model) = tuned(&folder);
    let config = tuned_config();
    let counts = config.count_parameters(&model);
    // The decoder's one buffer is random, so it is saved too.
    let buffer = config.decoder.transformer_dim as u64;
    assert!(counts.trained + buffer < counts.all);
    let file = place.join("model.bpk");
    let record = ModuleRecord::load(&file).unwrap();
    let bytes = record.into_bytes().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for (path, is_saved) in [
        ("encoder.blocks.0.attn.qkv.weight", false),
        ("encoder.pos_embed", false),
        ("encoder.blocks.1.attn.rel_pos_h", false),
        ("encoder.blocks.0.norm1.weight", true),
        ("encoder.blocks.0.adapter.up.weight", true),
        ("encoder.neck.conv1.weight", true),
        ("conv_branch.layers.0.conv.weight", true),
        ("decoder.mask_decoder.mask_tokens.weight", true),
        ("decoder.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", true),
    ] {
        assert_eq!(text.contains(path), is_saved, "{path}");
    }
    // Names, alignment and the like come on top of the values.
    let n_bytes = std::fs::metadata(&file).unwrap().len();
    let values = 4 * (counts.trained + buffer);
    let whole = folder.path().join("whole");
    let whole = save(&whole, &info(config, None), &model).join("model.bpk");
    let saved = std::fs::metadata(whole).unwrap().len() - n_bytes;
    assert!(n_bytes >= values, "{n_bytes} bytes for {values}");
    assert!(saved >= 4 * (counts.all - counts.trained - buffer), "{saved} bytes saved");
}

/// `SAMed_s` on a backbone's and a decoder's own file: both are frozen but for the updates.
pub fn tuned_with_low_rank(folder: &Folder) -> (PathBuf, CheckpointInfo, FasterSam) {
    let backbone = write_backbone(folder, "sam.safetensors", 1);
    let mut config = tuned_config();
    config.encoder.tuning = Tuning::LoraWithDecoder { rank: 2 };
    (config.conv_branch, config.decoder.skip_channels) = (None, None);
    config.decoder.lora_rank = Some(2);
    let decoder = folder.write("decoder.safetensors", &safetensors(&decoder_entries(&config), Stored::F32));
    let paths = WeightPaths { backbone: Some(backbone.clone()), decoder: Some(decoder.clone()) };
    let model = train(&config, &paths);
    let sha256 = fastersam_files::sha256_of_file(&backbone).unwrap();
    let mut info = info(config, Some((&backbone, &sha256)));
    info.decoder_sha256 = Some(fastersam_files::sha256_of_file(&decoder).unwrap());
    info.decoder_file = Some(decoder);
    (save(&folder.path().join("run"), &info, &model), info, model)
}

/// The decoder of a freshly drawn model under SAM's names.
fn decoder_entries(config: &ModelConfig) -> Vec<Entry> {
    let model = config.init(9, &Device::flex()).unwrap();
    let mut entries = Named::default();
    model.decoder.visit(&mut entries);
    entries.found
}

/// Parameters under SAM's names and in PyTorch's layout.
#[derive(Default)]
struct Named {
    path: Vec<String>,
    holders: Vec<String>,
    found: Vec<Entry>,
}

impl ModuleVisitor for Named {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.holders.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.holders.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if path.contains("lora") {
            return;
        }
        let is_linear = self.holders.last().unwrap() == "Struct:Linear" && D == 2;
        let value = if is_linear { param.val().transpose() } else { param.val() };
        let key =
            [("conv1.", "0."), ("norm.", "1."), ("conv2.", "3.")].iter().fold(path, |path, (ours, theirs)| {
                let place = "output_upscaling.";
                path.replace(&format!("{place}{ours}"), &format!("{place}{theirs}"))
            });
        let shape = value.dims().to_vec();
        self.found.push(entry(&key, &shape, value.into_data().try_to_vec::<f32>().unwrap()));
    }
}

#[test]
fn a_frozen_decoder_is_not_saved_either() {
    let folder = Folder::new();
    let (place, info, model) = tuned_with_low_rank(&folder);
    let bytes = ModuleRecord::load(place.join("model.bpk")).unwrap().into_bytes().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let attention = "decoder.mask_decoder.transformer.layers.0.self_attn";
    for (path, is_saved) in [
        (format!("{attention}.q_proj.weight"), false),
        (format!("{attention}.lora_q.linear_a.weight"), true),
        ("decoder.mask_decoder.transformer.norm_final_attn.weight".to_owned(), false),
        ("decoder.mask_decoder.output_upscaling.conv1.weight".to_owned(), true),
        ("encoder.blocks.0.attn.lora.linear_b_v.weight".to_owned(), true),
    ] {
        assert_eq!(text.contains(&path), is_saved, "{path}");
    }
    let device = Device::flex();
    assert_eq!(logits(&Checkpoint::load(&place, &device).unwrap().model), logits(&model));

    // Both files moved: their folder says where they are, the backbone's file alone does not.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    for file in [info.backbone_file.unwrap(), info.decoder_file.unwrap()] {
        std::fs::rename(&file, elsewhere.join(file.file_name().unwrap())).unwrap();
    }
    let loaded = Checkpoint::load_with(&place, Some(&elsewhere), &device).unwrap();
    assert_eq!(logits(&loaded.model), logits(&model));
    let error = Checkpoint::load_with(&place, Some(&elsewhere.join("sam.safetensors")), &device).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("decoder.safetensors") && text.contains(&info.decoder_sha256.unwrap()), "{text}");
}

#[test]
fn the_running_statistics_of_batch_norm_survive() {
    let folder = Folder::new();
    let mut config = tiny_config();
    config.conv_branch.as_mut().unwrap().norm = ConvNorm::Batch;
    let device = Device::flex().autodiff();
    let (model, _) = config.init_from(&WeightPaths::default(), 2, &device).unwrap();
    // A forward pass that nothing follows: its statistics are still on their way when the model is saved.
    let before = logits(&model.valid());
    model.forward(images(2, &device), &PauseSettings::never()).unwrap();
    let run = folder.path().join("run");
    save(&run, &info(config.clone(), None), &model);
    let after = logits(&model.valid());
    assert_ne!(before, after);
    assert_eq!(logits(&Checkpoint::load(&run, &Device::flex()).unwrap().model), after);
    // They are no parameters that an optimizer moves.
    let counts = config.count_parameters(&model);
    let group = tiny_config().n_parameters(&Device::flex()).unwrap();
    assert_eq!(counts.trained, group.trained);
    assert!(counts.all > group.all);
}

#[test]
fn a_tuned_model_needs_its_own_backbone() {
    let folder = Folder::new();
    let (place, backbone, model) = tuned(&folder);
    let device = Device::flex();
    let expected = logits(&model);
    let run = place.parent().unwrap();
    assert_eq!(logits(&Checkpoint::load(run, &device).unwrap().model), expected);

    // Moved: found where the user says.
    let moved = folder.path().join("moved.safetensors");
    std::fs::rename(&backbone, &moved).unwrap();
    let error = Checkpoint::load(run, &device).unwrap_err();
    let expected_sha256 = fastersam_files::sha256_of_file(&moved).unwrap();
    let FasterSamError::WeightsNeeded { part, sha256, missing, .. } = &error else { panic!("{error}") };
    assert_eq!((*part, sha256, missing.as_ref()), ("backbone", &expected_sha256, Some(&backbone)));
    let words = error.to_string();
    assert!(words.contains("sam.safetensors") && words.contains(sha256), "{words}");
    assert_eq!(logits(&Checkpoint::load_with(run, Some(&moved), &device).unwrap().model), expected);

    // Another file of the same architecture.
    let other = write_backbone(&folder, "other.safetensors", 2);
    let error = Checkpoint::load_with(run, Some(&other), &device).unwrap_err().to_string();
    let found = fastersam_files::sha256_of_file(&other).unwrap();
    assert!(error.contains(&expected_sha256) && error.contains(&found) && error.contains("other"), "{error}");
    // No weight file at all.
    let error = Checkpoint::load_with(run, Some(&place.join("checkpoint.json")), &device).unwrap_err();
    assert!(matches!(error, FasterSamError::Weights(_)), "{error}");
}

#[test]
fn a_model_that_was_trained_as_a_whole_needs_no_other_file() {
    let folder = Folder::new();
    let config = tiny_config();
    let model = train(&config, &WeightPaths::default());
    let run = folder.path().join("run");
    save(&run, &info(config, None), &model);
    assert_eq!(logits(&Checkpoint::load(&run, &Device::flex()).unwrap().model), logits(&model));
}

/// A whole tiny model with a file of the trainer's beside it.
fn whole(folder: &Folder) -> PathBuf {
    let model = tiny_config().init(1, &Device::flex()).unwrap();
    let trainer = |folder: &Path| {
        std::fs::write(folder.join("trainer.json"), "{}").unwrap();
        Ok(())
    };
    checkpoint::save(&folder.path().join("run"), "step-1", &info(tiny_config(), None), &model, trainer).unwrap()
}

#[test]
fn a_checkpoint_with_one_flipped_bit_or_cut_short_is_refused_and_its_file_named() {
    let folder = Folder::new();
    let place = whole(&folder);
    let mut rng = KeyedRng::new(6, &[]);
    for name in ["model.bpk", "trainer.json", "checkpoint.json"] {
        let file = place.join(name);
        let whole = std::fs::read(&file).unwrap();
        let refuse = |bytes: &[u8], what: String| {
            std::fs::write(&file, bytes).unwrap();
            let text = Checkpoint::load(&place, &Device::flex()).map(|_| what).unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        };
        for _ in 0..100 {
            let bit = rng.below(8 * whole.len());
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            refuse(&bytes, format!("bit {bit} of {name}"));
        }
        for len in (0..whole.len()).step_by(whole.len().div_ceil(20)) {
            refuse(&whole[..len], format!("{len} of {} bytes of {name}", whole.len()));
        }
        std::fs::write(&file, whole).unwrap();
    }
    Checkpoint::load(&place, &Device::flex()).unwrap();
    // What only training needs may be left out, the parameters may not.
    std::fs::remove_file(place.join("trainer.json")).unwrap();
    Checkpoint::load(&place, &Device::flex()).unwrap();
    std::fs::remove_file(place.join("model.bpk")).unwrap();
    assert!(Checkpoint::load(&place, &Device::flex()).unwrap_err().to_string().contains("model.bpk"));
}

/// Changes what a checkpoint says of itself, and seals it again, as whoever means harm would.
fn rewrite(place: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = place.join("checkpoint.json");
    let mut info: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut info);
    info["seal"] = fastersam_files::UNSEALED.into();
    std::fs::write(&path, fastersam_files::seal(&info.to_string())).unwrap();
}

#[test]
fn a_checkpoint_that_lacks_a_trained_parameter_is_refused() {
    let folder = Folder::new();
    let (place, _, _) = tuned(&folder);
    // A whole model says that it has everything, but holds what was tuned only.
    rewrite(&place, |info| info["backbone_sha256"] = serde_json::Value::Null);
    let error = Checkpoint::load(&place, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("parameters"), "{error}");
}

#[test]
fn a_checkpoint_that_says_what_cannot_be_is_refused_by_name() {
    use serde_json::json;
    let folder = Folder::new();
    let place = whole(&folder);
    let text = std::fs::read(place.join("checkpoint.json")).unwrap();
    for (pointer, value, expected) in [
        ("/model/encoder/img_size", json!(1_000_000_000), "encoder.img_size"),
        ("/model/encoder/img_size", json!(4096), "model.bpk"),
        ("/model/encoder/depth", json!(1_000_000_000), "encoder.depth"),
        ("/model/encoder/embed_dim", json!(usize::MAX), "encoder.embed_dim"),
        ("/model/encoder/mlp_ratio", json!(1e300), "encoder.mlp_ratio"),
        ("/model/encoder/window_size", json!(usize::MAX), "encoder.window_size"),
        ("/model/encoder/conv_channels", json!([16, 32, 1_u64 << 40]), "encoder.conv_channels"),
        ("/model/encoder/pause_points", json!([2, 2]), "pause points"),
        ("/model/encoder/tuning/reduction", json!(0), "encoder.tuning.reduction"),
        ("/model/decoder/depth", json!(1_000_000_000), "decoder.depth"),
        ("/model/decoder/mlp_dim", json!(1_u64 << 60), "decoder.mlp_dim"),
        ("/model/decoder/iou_head_depth", json!(1_000_000_000), "decoder.iou_head_depth"),
        ("/model/normalisation/std", json!([0.0, 1.0, 1.0]), "normalisation.std"),
        ("/labels/names", json!(["background"]), "1 classes"),
        ("/labels/names", json!(["background", "liver"]), "2 classes"),
        ("/intensity", json!({"percentiles": {"low": 90.0, "high": 10.0}}), "percentiles"),
        ("/intensity", json!({"window": {"low": 1.0, "high": 1.0}}), "no width"),
        ("/orientation/axes", json!([0, 0, 2]), "axes"),
        (
            "/recommended",
            json!({"settings": {"pause_threshold": [0.1, 0.2, 0.3]},
            "chosen_on": {"cases": "valid", "trained_on": false}}),
            "pause threshold",
        ),
        ("/files", json!({}), "model.bpk"),
        ("/files", json!({"../model.bpk": "00"}), "not in its folder"),
        ("/format", json!(1), "format 1"),
    ] {
        std::fs::write(place.join("checkpoint.json"), &text).unwrap();
        rewrite(&place, |info| *info.pointer_mut(pointer).unwrap() = value);
        let error = Checkpoint::load(&place, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn only_checkpoints_that_were_written_here_are_removed() {
    let folder = Folder::new();
    let run = folder.path().join("run");
    let model = tiny_config().init(1, &Device::flex()).unwrap();
    let first = whole(&folder);
    // What a user keeps beside the checkpoints and in one of them.
    for name in ["step-mine", ".fastersam-writing-notes"] {
        std::fs::create_dir(run.join(name)).unwrap();
        std::fs::write(run.join(name).join("notes"), "kept").unwrap();
    }
    std::fs::write(first.join("notes"), "kept").unwrap();
    let second = checkpoint::save(&run, "step-2", &info(tiny_config(), None), &model, |_| Ok(())).unwrap();
    let mut left: Vec<String> = walk(&run);
    left.sort();
    let kept = [".fastersam-writing-notes/notes", "latest", "step-1/notes"];
    assert_eq!(left, [&kept[..], &["step-2/checkpoint.json", "step-2/model.bpk", "step-mine/notes"]].concat());
    assert_eq!(checkpoint::resolve(&run).unwrap(), second);
    checkpoint::remove_checkpoints(&run, None);
    let mut left = walk(&run);
    left.sort();
    assert_eq!(left, [".fastersam-writing-notes/notes", "step-1/notes", "step-mine/notes"]);
}

/// The files below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                walk(&path).iter().map(|file| format!("{name}/{file}")).collect()
            } else {
                vec![name]
            }
        })
        .collect()
}

#[test]
fn the_newest_checkpoint_is_found_or_the_reason_told() {
    let folder = Folder::new();
    let place = whole(&folder);
    let run = place.parent().unwrap();
    let reason = |path: &Path| checkpoint::resolve(path).unwrap_err().to_string();
    assert_eq!(checkpoint::resolve(run).unwrap(), place);
    assert_eq!(checkpoint::resolve(&place).unwrap(), place);
    for bad in ["", "..", "../run/step-1", "step-2", "/"] {
        std::fs::write(run.join("latest"), bad).unwrap();
        assert!(reason(run).contains("which is no checkpoint"), "{bad}");
    }
    // Lost: the only checkpoint that there is; of several, the user chooses.
    std::fs::remove_file(run.join("latest")).unwrap();
    assert_eq!(checkpoint::resolve(run).unwrap(), place);
    std::fs::create_dir(run.join("step-2")).unwrap();
    std::fs::copy(place.join("checkpoint.json"), run.join("step-2/checkpoint.json")).unwrap();
    assert!(reason(run).contains("step-1, step-2"), "{}", reason(run));
    assert!(reason(&run.join("nowhere")).contains("does not exist"));
    assert!(reason(&place.join("model.bpk")).contains("is a file"));
    assert!(reason(folder.path()).contains("checkpoints"));
    #[cfg(unix)]
    {
        assert!(Command::new("mkfifo").arg(run.join("latest")).status().unwrap().success());
        assert!(reason(run).contains("no file"), "{}", reason(run));
    }
}

#[test]
fn equal_trainings_write_equal_files() {
    let folder = Folder::new();
    let bytes = |name: &str| {
        let place = save(
            &folder.path().join(name),
            &info(tiny_config(), None),
            &train(&tiny_config(), &WeightPaths::default()),
        );
        std::fs::read(place.join("model.bpk")).unwrap()
    };
    assert!(bytes("first") == bytes("second"));
}

/// The child process is this very test with an environment variable: it loads, and writes its logits.
#[test]
fn a_saved_model_gives_the_same_logits_in_a_new_process() {
    const RUN: &str = "FASTERSAM_TEST_ROUND_TRIP";
    if let Some(run) = std::env::var_os(RUN) {
        let run = PathBuf::from(run);
        let loaded = Checkpoint::load(&run, &Device::flex()).unwrap();
        let bits: Vec<u8> = logits(&loaded.model).into_iter().flat_map(u32::to_le_bytes).collect();
        std::fs::write(run.join("logits"), bits).unwrap();
        return;
    }
    let folder = Folder::new();
    let config = tiny_config();
    let whole = train(&config, &WeightPaths::default());
    let whole_run = folder.path().join("whole");
    save(&whole_run, &info(config, None), &whole);
    let (place, _, tuned) = tuned(&folder);
    for (run, model) in [(whole_run.as_path(), whole), (place.parent().unwrap(), tuned)] {
        let name = concat!(module_path!(), "::a_saved_model_gives_the_same_logits_in_a_new_process");
        let name = name.split_once("::").unwrap().1;
        let child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(RUN, run)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let bytes = std::fs::read(run.join("logits")).unwrap();
        let bits: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        assert_eq!(bits, logits(&model), "{}", run.display());
    }
}

#[test]
fn a_frozen_part_that_no_file_has_is_refused() {
    let folder = Folder::new();
    let backbone = write_backbone(&folder, "sam.safetensors", 1);
    let paths = WeightPaths { backbone: Some(backbone), decoder: None };
    let mut config = tuned_config();
    assert!(config.init_from(&paths, 0, &Device::flex()).is_ok());
    // The file has no decoder: its transformer would stay at random values.
    config.encoder.tuning = Tuning::LoraWithDecoder { rank: 2 };
    (config.conv_branch, config.decoder.skip_channels) = (None, None);
    config.decoder.lora_rank = Some(2);
    let error = config.init_from(&paths, 0, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("frozen") && error.contains("decoder.mask_decoder.transformer"), "{error}");
}
