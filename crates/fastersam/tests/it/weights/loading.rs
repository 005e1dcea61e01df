use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use fastersam::weights::{Architecture, LoadOptions, WeightError, WeightFile, load_into, plan, recognise};
use fastersam_adapter::Tuning;
use fastersam_pausing_encoder::{EncoderConfig, PausingEncoder};

use super::files::{Entry, Folder, Stored, counting, pytorch, safetensors};

const D: usize = 16;
const DEPTH: usize = 2;

pub fn sam_config(img_size: usize) -> EncoderConfig {
    let mut config = EncoderConfig::vit_b(img_size);
    config.embed_dim = D;
    config.depth = DEPTH;
    config.num_heads = 2;
    config.window_size = 3;
    config.global_attn_indexes = vec![1];
    config.out_chans = 8;
    config.pause_points = vec![1];
    config.injection_blocks = vec![0];
    config.conv_channels = [16, 16, 16];
    config
}

/// A SAM encoder of 64 pixels under the official names.
pub fn sam_entries() -> Vec<Entry> {
    let mut entries = vec![
        counting("image_encoder.pos_embed", &[1, 4, 4, D]),
        counting("image_encoder.patch_embed.proj.weight", &[D, 3, 16, 16]),
        counting("image_encoder.patch_embed.proj.bias", &[D]),
        counting("image_encoder.neck.0.weight", &[8, D, 1, 1]),
        counting("image_encoder.neck.1.weight", &[8]),
        counting("image_encoder.neck.1.bias", &[8]),
        counting("image_encoder.neck.2.weight", &[8, 8, 3, 3]),
        counting("image_encoder.neck.3.weight", &[8]),
        counting("image_encoder.neck.3.bias", &[8]),
    ];
    for block in 0..DEPTH {
        let rel_pos = if block == 0 { 5 } else { 7 };
        for (name, shape) in [
            ("norm1.weight", &[D] as &[usize]),
            ("norm1.bias", &[D]),
            ("norm2.weight", &[D]),
            ("norm2.bias", &[D]),
            ("attn.rel_pos_h", &[rel_pos, D / 2]),
            ("attn.rel_pos_w", &[rel_pos, D / 2]),
            ("attn.qkv.weight", &[3 * D, D]),
            ("attn.qkv.bias", &[3 * D]),
            ("attn.proj.weight", &[D, D]),
            ("attn.proj.bias", &[D]),
            ("mlp.lin1.weight", &[4 * D, D]),
            ("mlp.lin1.bias", &[4 * D]),
            ("mlp.lin2.weight", &[D, 4 * D]),
            ("mlp.lin2.bias", &[D]),
        ] {
            entries.push(counting(&format!("image_encoder.blocks.{block}.{name}"), shape));
        }
    }
    entries
}

fn open(folder: &Folder, entries: &[Entry]) -> WeightFile {
    let path = folder.write("sam.safetensors", &safetensors(entries, Stored::F32));
    WeightFile::open(&path).unwrap()
}

fn floats<const N: usize>(x: Tensor<N>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn encoder_options() -> LoadOptions {
    LoadOptions::part("encoder")
}

#[test]
fn every_parameter_gets_its_own_tensor() {
    let folder = Folder::new();
    let device = Device::flex();
    let file = open(&folder, &sam_entries());
    let (encoder, report) = load_into(sam_config(64).init(&device), &file, &encoder_options()).unwrap();
    assert_eq!(report.used.len(), sam_entries().len());
    assert!(report.missing.is_empty() && report.unused.is_empty() && report.resized.is_empty());
    assert_eq!(report.sha256, file.sha256);
    // Linear weights are transposed, all else is as stored.
    let stored = |key: &str| file.read(&format!("image_encoder.{key}")).unwrap();
    let block = &encoder.blocks[1];
    assert_eq!(floats(block.attn.qkv.weight.val().transpose()), stored("blocks.1.attn.qkv.weight"));
    assert_eq!(block.mlp.lin2.weight.val().dims(), [4 * D, D]);
    assert_eq!(floats(block.norm1.bias.val()), stored("blocks.1.norm1.bias"));
    assert_eq!(floats(encoder.pos_embed.val()), stored("pos_embed"));
    assert_eq!(floats(encoder.neck.conv2.weight.val()), stored("neck.2.weight"));
    // What is this project's own is listed and keeps its values.
    for path in
        ["encoder.blocks.0.adapter.down.weight", "encoder.injections.0.gamma", "encoder.pause_heads.0.norm.weight"]
    {
        assert!(report.new.iter().any(|new| new == path), "{path} in {:?}", report.new);
    }
    assert_eq!(floats(encoder.injections[0].gamma.val()), [0.1; D]);
}

#[test]
fn a_pth_gives_the_same_as_its_safetensors_twin() {
    let folder = Folder::new();
    let device = Device::flex();
    let twin = folder.write("sam.pth", &pytorch(&sam_entries(), &["model"]));
    let files = [open(&folder, &sam_entries()), WeightFile::open(&twin).unwrap()];
    let [a, b] = files.map(|file| {
        let encoder = sam_config(64).init(&device);
        let (encoder, report) = load_into(encoder, &file, &encoder_options()).unwrap();
        (values(&encoder, &report.new), report.used)
    });
    assert_eq!(a, b);
}

/// All values of the parameters that are not new.
fn values(encoder: &PausingEncoder, new: &[String]) -> Vec<(String, Vec<f32>)> {
    struct Collect<'a> {
        path: Vec<String>,
        new: &'a [String],
        values: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
            let path = format!("encoder.{}", self.path.join("."));
            if !self.new.contains(&path) {
                self.values.push((path, floats(param.val())));
            }
        }
    }
    let mut collect = Collect { path: Vec::new(), new, values: Vec::new() };
    encoder.visit(&mut collect);
    collect.values
}

#[test]
fn tables_are_resized_to_the_input() {
    let folder = Folder::new();
    let device = Device::flex();
    let file = open(&folder, &sam_entries());
    let (encoder, report) = load_into(sam_config(128).init(&device), &file, &encoder_options()).unwrap();
    let resized: Vec<_> = report.resized.iter().map(|r| (r.key.as_str(), r.from, r.to)).collect();
    assert_eq!(
        resized,
        [
            ("image_encoder.pos_embed", 4, 8),
            ("image_encoder.blocks.1.attn.rel_pos_h", 7, 15),
            ("image_encoder.blocks.1.attn.rel_pos_w", 7, 15),
        ]
    );
    assert_eq!(encoder.pos_embed.val().dims(), [1, 8, 8, D]);
    // Block 0 is windowed: its table stays.
    let table = encoder.blocks[0].attn.rel_pos_h.as_ref().unwrap().val();
    assert_eq!(floats(table), file.read("image_encoder.blocks.0.attn.rel_pos_h").unwrap());
}

#[test]
fn gradients_stay_as_they_were_asked_for() {
    let folder = Folder::new();
    let device = Device::flex().autodiff();
    let file = open(&folder, &sam_entries());
    let encoder = sam_config(64).init(&device).freeze_backbone(true);
    let (encoder, _) = load_into(encoder, &file, &encoder_options()).unwrap();
    assert!(!encoder.blocks[0].attn.qkv.weight.val().is_require_grad());
    assert!(encoder.blocks[0].norm1.weight.val().is_require_grad());
    assert!(encoder.neck.conv1.weight.val().is_require_grad());
}

#[test]
fn missing_keys_are_listed_exactly() {
    let folder = Folder::new();
    let gone = ["image_encoder.blocks.0.norm1.bias", "image_encoder.neck.3.weight"];
    let entries: Vec<Entry> = sam_entries().into_iter().filter(|e| !gone.contains(&e.key.as_str())).collect();
    let file = open(&folder, &entries);
    let encoder = sam_config(64).init(&Device::flex());
    assert_eq!(plan(&encoder, &file, &encoder_options()).unwrap().missing, gone);
    let error = load_into(encoder, &file, &encoder_options()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, WeightError::Missing { keys, .. } if *keys == gone), "{text}");
    assert!(gone.iter().all(|key| text.contains(key)), "{text}");
}

#[test]
fn unused_keys_are_listed_exactly() {
    let folder = Folder::new();
    let mut entries = sam_entries();
    entries.push(counting("image_encoder.blocks.7.norm1.bias", &[D]));
    entries.push(counting("optimizer.lr", &[1]));
    entries.push(counting("prompt_encoder.point_embeddings.0.weight", &[1, 8]));
    let file = open(&folder, &entries);
    let report = plan(&sam_config(64).init(&Device::flex()), &file, &encoder_options()).unwrap();
    assert_eq!(report.unused, ["image_encoder.blocks.7.norm1.bias", "optimizer.lr"]);
    assert_eq!(report.set_aside, ["prompt_encoder.point_embeddings.0.weight"]);
}

#[test]
fn a_shape_that_does_not_fit_is_named() {
    let folder = Folder::new();
    for (key, shape, expected) in [
        ("image_encoder.blocks.1.mlp.lin1.weight", vec![D, 4 * D], "[64, 16]"),
        ("image_encoder.pos_embed", vec![1, 4, 4, 8], "[1, g, g, 16]"),
        ("image_encoder.pos_embed", vec![1, 4, 5, D], "[1, g, g, 16]"),
        ("image_encoder.blocks.1.attn.rel_pos_w", vec![7, 4], "[n, 8]"),
        ("image_encoder.patch_embed.proj.weight", vec![D, 1, 16, 16], "[16, 3, 16, 16]"),
    ] {
        let entries: Vec<Entry> =
            sam_entries().into_iter().map(|e| if e.key == key { counting(key, &shape) } else { e }).collect();
        let file = open(&folder, &entries);
        let result = load_into(sam_config(64).init(&Device::flex()), &file, &encoder_options());
        let text = result.unwrap_err().to_string();
        // A table that is not square is not SAM's at all.
        if shape == [1, 4, 5, D] {
            assert!(text.contains("neither SAM"), "{text}");
            continue;
        }
        assert!(text.contains(key) && text.contains(expected) && text.contains(&format!("{shape:?}")), "{text}");
    }
}

#[test]
fn architectures_do_not_pass_for_each_other() {
    let folder = Folder::new();
    let file = open(&folder, &sam_entries());
    assert_eq!(
        recognise(&file).unwrap(),
        Architecture::Sam { embed_dim: D, depth: DEPTH, grid: 4, has_decoder: false }
    );
    let mut config = sam_config(64);
    config.layer_scale = true;
    config.tuning = Tuning::None;
    let error = load_into(config.init(&Device::flex()), &file, &encoder_options()).unwrap_err();
    let text = error.to_string();
    let WeightError::Missing { keys, .. } = error else { panic!("{text}") };
    assert_eq!(keys.len(), 2 * DEPTH);
    assert!(keys[0].starts_with("encoder.blocks.0.layer_scale"), "{keys:?}");
}

/// DINOv2 in the Hugging Face layout: patch 4, grid 3.
fn dinov2_entries() -> Vec<Entry> {
    let mut entries = vec![
        counting("embeddings.cls_token", &[1, 1, D]),
        counting("embeddings.mask_token", &[1, D]),
        counting("embeddings.position_embeddings", &[1, 10, D]),
        counting("embeddings.patch_embeddings.projection.weight", &[D, 3, 4, 4]),
        counting("embeddings.patch_embeddings.projection.bias", &[D]),
        counting("layernorm.weight", &[D]),
        counting("layernorm.bias", &[D]),
    ];
    for (i, part) in ["query", "key", "value"].into_iter().enumerate() {
        for (name, shape) in [("weight", &[D, D] as &[usize]), ("bias", &[D])] {
            let key = format!("encoder.layer.0.attention.attention.{part}.{name}");
            let mut entry = counting(&key, shape);
            entry.values.iter_mut().for_each(|v| *v += 1000.0 * i as f32);
            entries.push(entry);
        }
    }
    for (name, shape) in [
        ("norm1.weight", &[D] as &[usize]),
        ("norm1.bias", &[D]),
        ("norm2.weight", &[D]),
        ("norm2.bias", &[D]),
        ("attention.output.dense.weight", &[D, D]),
        ("attention.output.dense.bias", &[D]),
        ("layer_scale1.lambda1", &[D]),
        ("layer_scale2.lambda1", &[D]),
        ("mlp.fc1.weight", &[4 * D, D]),
        ("mlp.fc1.bias", &[4 * D]),
        ("mlp.fc2.weight", &[D, 4 * D]),
        ("mlp.fc2.bias", &[D]),
    ] {
        entries.push(counting(&format!("encoder.layer.0.{name}"), shape));
    }
    entries
}

fn dinov2_config(class_token: bool) -> EncoderConfig {
    let mut config = EncoderConfig::vit_s(12);
    config.patch_size = 4;
    config.embed_dim = D;
    config.depth = 1;
    config.num_heads = 2;
    config.out_chans = 8;
    config.pause_points = Vec::new();
    config.injection_blocks = Vec::new();
    config.tuning = Tuning::None;
    config.class_token = class_token;
    config
}

#[test]
fn dinov2_is_translated() {
    let folder = Folder::new();
    let device = Device::flex();
    let file = open(&folder, &dinov2_entries());
    let (encoder, report) = load_into(dinov2_config(false).init(&device), &file, &encoder_options()).unwrap();
    assert!(report.missing.is_empty() && report.unused.is_empty(), "{report:?}");
    assert_eq!(report.set_aside, ["embeddings.cls_token", "embeddings.mask_token"]);
    assert!(report.new.iter().all(|path| path.starts_with("encoder.neck.")), "{:?}", report.new);
    let layer = |name: &str| file.read(&format!("encoder.layer.0.{name}")).unwrap();
    let fused =
        ["query", "key", "value"].map(|part| layer(&format!("attention.attention.{part}.weight"))).concat();
    assert_eq!(floats(encoder.blocks[0].attn.qkv.weight.val().transpose()), fused);
    let scale = encoder.blocks[0].layer_scale2.as_ref().unwrap().val();
    assert_eq!(floats(scale), layer("layer_scale2.lambda1"));
    // The patches' positions: all but the first row, not resized here.
    let table = file.read("embeddings.position_embeddings").unwrap();
    assert_eq!(floats(encoder.pos_embed.val()), table[D..]);
}

#[test]
fn dinov2_keeps_its_class_token_where_the_model_has_one() {
    let folder = Folder::new();
    let file = open(&folder, &dinov2_entries());
    let (encoder, report) =
        load_into(dinov2_config(true).init(&Device::flex()), &file, &encoder_options()).unwrap();
    assert_eq!(report.set_aside, ["embeddings.mask_token"]);
    let table = file.read("embeddings.position_embeddings").unwrap();
    assert_eq!(floats(encoder.cls_pos_embed.unwrap().val()), table[..D]);
    let token = file.read("embeddings.cls_token").unwrap();
    assert_eq!(floats(encoder.cls_token.unwrap().val()), token);
}
