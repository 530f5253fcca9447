import LongtakeCore

/// The document that a program gets about its stage: `stage.json`, version 1 of the stage protocol.
struct StageDocument: Sendable {
    /// The version of the protocol.
    static let version: Int64 = 1

    let claim: Claim
    let inputs: PlacedInputs

    /// The JSON text, with a line end.
    var bytes: [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        json.member("protocol", Self.version)
        json.member("job", claim.job.description)
        json.member("pipeline", orNull: claim.context.pipeline?.description)
        json.member("stage", claim.stage.name.description)
        json.member("index", Int64(claim.stageIndex + 1))
        json.member("of", Int64(claim.context.stageCount))
        json.member("attempt", Int64(claim.attempt))
        json.member("input", claim.input)
        json.member("metadata", .object(claim.context.metadata.mapValues(JSONValue.string)))
        json.member(
            "outputs",
            .object(Dictionary(uniqueKeysWithValues: claim.outputs.map { ($0.key.description, $0.value) })))
        writeFiles(to: &json)
        writeArtifacts(to: &json)
        writeCheckpoint(to: &json)
        json.member("deadline_seconds", claim.stage.workTimeLimitSeconds)
        json.endObject()
        return json.bytes + [0x0a]
    }

    private func writeFiles(to json: inout JSONWriter) {
        json.name("files")
        json.beginObject()
        for (field, file) in claim.files.sorted(by: { $0.key < $1.key }) {
            guard let path = inputs.files[field] else { continue }
            json.name(field)
            Self.write(path, file.type, file.content, to: &json)
        }
        json.endObject()
    }

    private func writeArtifacts(to json: inout JSONWriter) {
        json.name("artifacts")
        json.beginObject()
        for artifact in claim.artifacts.map(\.artifact).sorted(by: { $0.name < $1.name }) {
            guard let path = inputs.artifacts[artifact.name] else { continue }
            json.name(artifact.name.description)
            Self.write(path, artifact.type, artifact.content, to: &json)
        }
        json.endObject()
    }

    private static func write(_ path: String, _ type: String, _ content: Content, to json: inout JSONWriter) {
        json.beginObject()
        json.member("path", path)
        json.member("type", type)
        json.member("bytes", content.bytes)
        json.member("sha256", content.hash.hex)
        json.endObject()
    }

    private func writeCheckpoint(to json: inout JSONWriter) {
        json.name("checkpoint")
        guard claim.checkpoint != .none else {
            json.null()
            return
        }
        json.beginObject()
        json.member("progress", claim.checkpoint.progress.value)
        json.member("data", claim.checkpoint.data ?? .null)
        json.endObject()
    }
}
