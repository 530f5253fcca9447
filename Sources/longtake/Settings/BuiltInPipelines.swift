/// The copy of `config/pipelines.yaml` that was compiled in, for a daemon without files.
enum BuiltInPipelines {
    static let text = String(decoding: PackageResources.pipelines_yaml, as: UTF8.self)
}
