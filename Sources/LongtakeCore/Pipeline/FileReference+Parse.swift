extension FileReference.Source {
    /// Why a value is not a reference to a file.
    struct Invalid: Error, Hashable {
        /// The member with the error; `nil` for the value as a whole.
        let member: String?
        /// The error, as words that follow the name of the member.
        let detail: String
    }

    /// Parses the value of an input field of the type `file`: `{"file": "sha-256:…"}`, or
    /// `{"job": "job_…", "artifact": "…"}`.
    static func parse(_ value: JSONValue) -> Result<Self, Invalid> {
        guard case .object(let members) = value else {
            return .failure(
                Invalid(
                    member: nil,
                    detail: "must be an object with the member “file”, or with the members “job” and “artifact”"))
        }
        let known: Set<String> = members["file"] == nil ? ["job", "artifact"] : ["file"]
        if let unknown = members.keys.filter({ !known.contains($0) }).min() {
            return .failure(Invalid(member: unknown, detail: "unknown field"))
        }
        guard let file = members["file"] else { return artifact(members) }
        guard let id = file.text.flatMap({ FileID($0) }) else {
            return .failure(
                Invalid(member: "file", detail: "must be the id of a file: sha-256: and 64 lower-case hex digits"))
        }
        return .success(.file(id))
    }

    private static func artifact(_ members: [String: JSONValue]) -> Result<Self, Invalid> {
        for name in ["artifact", "job"] where members[name] == nil {
            let hasNone = members.isEmpty
            return .failure(
                Invalid(
                    member: hasNone ? nil : name,
                    detail: hasNone
                        ? "must have the member “file”, or the members “job” and “artifact”" : "is required"))
        }
        guard let job = members["job"]?.text.flatMap({ JobID($0) }) else {
            return .failure(Invalid(member: "job", detail: "must be the id of a job"))
        }
        guard let name = members["artifact"]?.text.flatMap({ ArtifactName($0) }) else {
            return .failure(Invalid(member: "artifact", detail: "must be the name of an artifact"))
        }
        return .success(.artifact(name, of: job))
    }
}
