extension JobEvent {
    /// The event's own members as a JSON object, in a fixed order: what is stored, and shown to every reader for ever.
    ///
    /// Together with the prefix that ``CommittedEvent`` adds this is the one place where JSON is put together by hand, so that no
    /// change of an encoder can ever change the bytes of an event.
    public func payload() throws -> String {
        var object = EventObject()
        object.add("progress", progress.value)
        switch change {
        case .queued(let pipeline, let stages, let priority):
            object.add("pipeline", pipeline.description)
            object.add("stages", stages.map(\.description))
            object.add("priority", Int64(priority.rawValue))
        case .started(let stage), .cancelRequested(let stage):
            object.add("stage", stage.description)
        case .stageStarted(let place, let attempt, let queue):
            object.add(place)
            object.add("attempt", Int64(attempt))
            object.add("queue", queue.description)
        case .stageProgress(let place, let progress, let message):
            object.add(place)
            object.add("stage_progress", progress.value)
            object.add("message", message)
        case .stageSucceeded(let place, let seconds):
            object.add(place)
            object.add("duration_seconds", seconds)
        case .stageRetrying(let stage, let attempt, let delay, let error):
            object.add("stage", stage.description)
            object.add("attempt", Int64(attempt))
            object.add("delay_seconds", delay.inSeconds)
            object.add("error", json: try JSONText.encode(error))
        case .interrupted(let reason, let stage):
            object.add("reason", reason.rawValue)
            object.add("stage", stage.description)
        case .resumed(let reason, let stage, let progress):
            object.add("reason", reason.rawValue)
            object.add("stage", stage.description)
            object.add("stage_progress", progress.value)
        case .succeeded(let output, let seconds):
            object.add("output", json: try JSONText.encode(output))
            object.add("duration_seconds", seconds)
        case .failed(let error):
            object.add("error", json: try JSONText.encode(error))
        case .canceled:
            break
        }
        if type.isFinal {
            object.add("final", json: "true")
        }
        return object.text + "}"
    }
}

/// A JSON object that is written member by member (RFC 8259 §4), in the order of the calls. Names are our own and need no escape.
private struct EventObject {
    private(set) var text = "{"

    /// Most events fit, so that their text is moved only once.
    init() { text.reserveCapacity(160) }

    private mutating func begin(_ name: String) {
        text += text.utf8.count > 1 ? ",\"" : "\""
        text += name
        text += "\":"
    }

    mutating func add(_ name: String, json: String) {
        begin(name)
        text += json
    }

    mutating func add(_ name: String, _ value: Int64) { add(name, json: String(value)) }

    /// Shortest digits that read back as the same number; whole numbers without a fraction. Never infinite: the values are bounded.
    mutating func add(_ name: String, _ value: Double) {
        add(name, json: value == value.rounded() ? String(Int64(value)) : String(value))
    }

    mutating func add(_ name: String, _ value: String) {
        begin(name)
        quote(value)
    }

    mutating func add(_ name: String, _ values: [String]) {
        begin(name)
        text += "["
        for (index, value) in values.enumerated() {
            if index > 0 { text += "," }
            quote(value)
        }
        text += "]"
    }

    mutating func add(_ place: StagePlace) {
        add("stage", place.stage.description)
        add("index", Int64(place.index))
        add("of", Int64(place.of))
    }

    /// Writes a string with the escapes that RFC 8259 §7 demands, and no others.
    private mutating func quote(_ value: String) {
        text += "\""
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            text += value
        } else {
            for scalar in value.unicodeScalars { escape(scalar) }
        }
        text += "\""
    }

    private mutating func escape(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": text += "\\\""
        case "\\": text += "\\\\"
        case "\n": text += "\\n"
        case "\r": text += "\\r"
        case "\t": text += "\\t"
        case _ where scalar.value < 0x20:
            text += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
        default: text.unicodeScalars.append(scalar)
        }
    }
}

extension Duration {
    /// This duration in seconds, in milliseconds' precision.
    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds * 1000 + attoseconds / 1_000_000_000_000_000) / 1000
    }
}
