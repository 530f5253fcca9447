import LongtakeCore

/// Events as the daemon writes them, for servers that have none of their own: as many bytes, and a time cut to milliseconds as there.
struct SampleEvent: Sendable {
    let messageBytes: Int

    /// - Parameter microseconds: when it is published, since 1970.
    func json(_ sequence: UInt64, at microseconds: Int64) -> String {
        let message = String(repeating: "still rolling ", count: messageBytes / 14 + 1).prefix(messageBytes)
        let share = Double(sequence % 10_000) / 10_000
        return """
            {"id":"da9459a2-\(sequence)","type":"stage.progress","job":"job_01m7y2k6yc352wfzhxknsjny1m","seq":\(sequence),\
            "at":"\(Timestamp(millisecondsSince1970: microseconds / 1_000))","progress":\(share),"stage":"stage-1","index":1,"of":2,\
            "stage_progress":\(share),"message":"\(message)"}
            """
    }

    /// The event as a block of a stream.
    func block(_ sequence: UInt64, at microseconds: Int64) -> String {
        "id: da9459a2-\(sequence)\nevent: stage.progress\ndata: \(json(sequence, at: microseconds))\n\n"
    }
}
