extension Simulation {
    /// Parses the member `simulation` of a submission.
    /// - Throws: ``InvalidInput`` with all errors. Their pointers begin with `/simulation`.
    public static func parse(_ value: JSONValue, for pipeline: Pipeline) throws(InvalidInput) -> Simulation {
        guard case .object(let members) = value else {
            throw InvalidInput(problems: [InputProblem(pointer: "/simulation", detail: "must be an object")])
        }
        let known = Set(CodingKeys.allCases.map(\.rawValue))
        var problems = members.keys.filter { !known.contains($0) }.sorted().map {
            InputProblem(in: "/simulation", member: $0, detail: "unknown field")
        }
        /// Parses one member. If it is absent or `null`, the default stays.
        func read(_ key: CodingKeys, _ rule: String, _ use: (JSONValue) -> Bool) {
            guard let value = members[key.rawValue], value != .null, !use(value) else { return }
            problems.append(InputProblem(in: "/simulation", member: key.rawValue, detail: rule))
        }
        var simulation = Simulation()
        let speeds = Limits.simulationSpeed
        read(.speed, "must be a number between \(speeds.lowerBound) and \(Int(speeds.upperBound))") {
            simulation.speed = $0.double
            return $0.double.map(speeds.contains) ?? false
        }
        let stages = pipeline.stages.filter { $0.work.kind == .simulated }.map(\.name)
        let rule =
            stages.isEmpty
            ? "is not possible, because the pipeline has no simulated stage"
            : "must be one of \(stages.map(\.description).joined(separator: ", "))"
        read(.failStage, rule) {
            simulation.failStage = $0.text.flatMap { StageName($0) }
            return simulation.failStage.map(stages.contains) ?? false
        }
        read(.failTimes, "must be a whole number between 0 and 100") {
            guard case .integer(let times) = $0, (0...100).contains(times) else { return false }
            simulation.failTimes = Int(times)
            return true
        }
        read(.failAt, "must be a number between 0 and 1") {
            guard let share = $0.double, (0...1).contains(share) else { return false }
            simulation.failAt = share
            return true
        }
        read(.fatal, "must be true or false") {
            guard case .bool(let fatal) = $0 else { return false }
            simulation.fatal = fatal
            return true
        }
        guard problems.isEmpty else { throw InvalidInput(problems: problems) }
        return simulation
    }
}
