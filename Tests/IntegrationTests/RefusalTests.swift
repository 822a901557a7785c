// Goal: a refusal is never turned away, lost, doubled or overtaken, whatever comes with it.
// Method: a server in this process; refusals with each flaw that may not matter, then the check that has to
// say no. Frames by hand where the client library would not send such a thing.

import ConsentClient
import Foundation
import TestSupport
import Testing
import WireProtocol

@Suite struct RefusalTests {
    private func subject(_ address: String) -> [Wire.WriteContact] { [Wire.WriteContact(address: address)] }

    @Test func flawsDoNotTurnARefusalAway() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var retired = Purpose(
            id: salon.newsletter, code: "newsletter", title: "Newsletter", purposeClass: .marketing)
        let frames = try FrameClient(server.address)
        let controller = salon.controller.rawValue
        let tooLong = String(repeating: "x", count: 2_000)
        let year2200: Int64 = 7_258_118_400_000_000
        let flaws: [(String, Wire.RefusalRequest)] = [
            ("an unknown purpose", Wire.RefusalRequest(purposes: [60])),
            ("a purpose without a number here", Wire.RefusalRequest(purposes: [200])),
            ("an unknown channel", Wire.RefusalRequest(channels: [Wire.Channel(rawValue: 99)])),
            ("an unknown notice", Wire.RefusalRequest(notice: Wire.Bytes32(of: Digest32.sha256([1])))),
            ("a future time", Wire.RefusalRequest(occurredAt: year2200)),
            ("the last time there is", Wire.RefusalRequest(occurredAt: .max)),
            ("an unknown source", Wire.RefusalRequest(source: Wire.Source(rawValue: 250))),
            (
                "an address in the evidence",
                Wire.RefusalRequest(evidence: Wire.Evidence(userAgent: "by x@y.example"))
            ),
            (
                "a query in the evidence",
                Wire.RefusalRequest(evidence: Wire.Evidence(url: "https://a.example/?q=1"))
            ),
            (
                "evidence over its limit",
                Wire.RefusalRequest(evidence: Wire.Evidence(templateValues: tooLong))
            ),
            ("a staff name over its limit", Wire.RefusalRequest(staff: tooLong)),
            ("a reference over its limit", Wire.RefusalRequest(reference: tooLong)),
        ]
        for (number, (flaw, request)) in flaws.enumerated() {
            let address = "flaw\(number)@example.fr"
            _ = try await client.grant(
                salon.grant([address], channels: [.email], purposes: [salon.promotions, salon.newsletter]))
            var request = request
            request.controller = controller
            request.contacts = subject(address)
            // The deadline is over when the writer thread sees it.
            let answer = try frames.ask(.withdraw, UInt32(number + 1), request, deadline: 1)
            try #require(answer.status == .ok, "\(flaw): \(answer.status)")
            let response: Wire.WriteResponse = try answer.decoded()
            #expect(response.status == .recorded, "\(flaw)")
            let reason = await client.check(salon.question(.email), .address(address)).reason
            #expect(reason == .withdrawn, "\(flaw)")
            var event: RecordedEvent?
            for try await next in try client.history(
                controller: salon.controller, of: .contacts([WriteContact(address)]))
            { event = next }
            let kept = try #require(event)
            #expect(kept.evidence.isEmpty && kept.occurredAt <= kept.recordedAt, "\(flaw)")
        }

        // A purpose that is retired may still be refused.
        retired.retired = true
        _ = try await client.putPurpose(retired)
        var refusal = salon.refusal("retired@example.fr")
        refusal.purposes = PurposeSet([salon.newsletter])
        #expect(try await client.refuse(refusal).status == .recorded)
        await client.close()
        await server.server.drain()
    }

    @Test func aGrantIsDroppedWhereARefusalIsNot() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let frames = try FrameClient(server.address)
        let request = Wire.GrantRequest(
            controller: salon.controller.rawValue, contacts: subject("expired@example.fr"),
            channels: [Wire.Channel(rawValue: 1)], purposes: [salon.promotions.rawValue],
            notice: Wire.Bytes32(of: salon.notice), source: .widget, act: .tickedBox)
        let late = try frames.ask(.grant, 1, request, deadline: 1)
        #expect(late.status == .deadlineExceeded && late.isNotExecuted)
        #expect(
            await client.check(salon.question(.email), .address("expired@example.fr")).reason == .noRecord)
        await client.close()
        await server.server.drain()
    }

    @Test func complaintsAndStopsCoverTheirChannel() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        _ = try await client.grant(
            salon.grant(
                ["both@example.fr", "+33612345678"], channels: [.email, .sms],
                purposes: [salon.promotions, salon.newsletter]))
        #expect(try await client.record(.complaint, salon.refusal("both@example.fr")).status == .recorded)
        for purpose in [salon.promotions, salon.newsletter] {
            #expect(
                await client.check(salon.question(.email, purpose), .address("both@example.fr")).reason
                    == .complaint)
            #expect(
                await client.check(salon.question(.sms, purpose), .address("+33612345678")).reason == .consent
            )
        }
        var stop = salon.refusal("+33612345678")
        stop.source = .smsKeyword
        stop.purposes = PurposeSet([salon.promotions])
        #expect(try await client.withdraw(stop).status == .recorded)
        for purpose in [salon.promotions, salon.newsletter] {
            #expect(
                await client.check(salon.question(.sms, purpose), .address("+33612345678")).reason == .stop)
        }
        #expect(
            await client.check(salon.question(.sms, salon.reminders), .address("+33612345678")).reason
                == .service)

        // About an address that the channel does not reach: it counts for what does reach it.
        _ = try await client.grant(salon.grant(["+33612345699"], channels: [.sms]))
        let complaint = try await client.record(.complaint, salon.refusal("+33612345699"))
        #expect(complaint.status == .recorded)
        #expect(!(await client.check(salon.question(.sms), .address("+33612345699")).isAllowed))
        await client.close()
        await server.server.drain()
    }

    @Test func onlyWhatIsNamedIsCleared() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let frames = try FrameClient(server.address)
        #expect(try await client.record(.bounce, salon.refusal("bounced@example.fr")).status == .recorded)
        // A channel that this server does not know may not stand for all when that would allow more.
        let clearing = Wire.RecordRequest(
            kind: Wire.EventKind(rawValue: EventKind.deliverabilityCleared.rawValue),
            about: Wire.RefusalRequest(
                controller: salon.controller.rawValue, contacts: subject("bounced@example.fr"),
                channels: [Wire.Channel(rawValue: 99)]))
        let answer: Wire.WriteResponse = try frames.ask(.record, 1, clearing).decoded()
        #expect(answer.status == .refused)
        let question = salon.question(.email, salon.reminders)
        #expect(await client.check(question, .address("bounced@example.fr")).reason == .undeliverable)
        #expect(
            try await client.record(.deliverabilityCleared, salon.refusal("bounced@example.fr")).status
                == .recorded)
        #expect(await client.check(question, .address("bounced@example.fr")).reason == .service)
        await client.close()
        await server.server.drain()
    }

    @Test func aRepetitionIsFoundThoughAContactPointWasLeftOut() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        var grant = salon.grant(["rep@example.fr", "+33612345670"], channels: [.email, .sms])
        grant.reference = "rep"
        _ = try await client.grant(grant)
        let subjects: [(UInt64, Subject)] = [
            (1, .contacts([WriteContact("rep@example.fr"), WriteContact("+33612345670")])),
            (
                2,
                .contacts([
                    WriteContact("+33612345670"), WriteContact("rep@example.fr"),
                    WriteContact("+33612345671"),
                ])
            ),
            (3, .reference("rep")),
        ]
        for (number, subject) in subjects {
            // SMS only: the e-mail address gets no event.
            var refusal = RefusalNotice(controller: salon.controller, subject: subject)
            refusal.channels = ChannelSet([.sms])
            refusal.eventID = EventID(low: number, high: 77)
            let first = try await client.withdraw(refusal)
            #expect(first.status == .recorded, "\(subject)")
            let before = try await client.stats().sequence
            let second = try await client.withdraw(refusal)
            #expect(second.status == .repeated && second.sequences == first.sequences, "\(subject)")
            #expect(second.eventIDs == first.eventIDs && Set(first.eventIDs).count == first.eventIDs.count)
            #expect(try await client.stats().sequence == before, "\(subject)")
        }
        await client.close()
        await server.server.drain()
    }

    @Test func oneEventIdWithinOneGroupIsOneEvent() async throws {
        let server = try await TestServer.start()
        let client = try await server.admin()
        let salon = try await Salon(client)
        let frames = try FrameClient(server.address)
        let before = try await client.stats().sequence
        let id = Wire.Bytes16(of: EventID(low: 5, high: 6))
        let controller = salon.controller.rawValue
        // Fifty times in one write, half of them with other content: they meet in one group or two.
        var bytes: [UInt8] = []
        for stream: UInt32 in 1...50 {
            let address = stream % 2 == 1 ? "same@example.fr" : "other@example.fr"
            bytes += FrameClient.request(
                .refuse, stream,
                Wire.RefusalRequest(
                    eventId: id, controller: controller, contacts: subject(address),
                    occurredAt: 1_790_000_000_000_000))
        }
        frames.send(bytes)
        var statuses: [Wire.WriteStatus] = []
        for stream: UInt32 in 1...50 {
            let response: Wire.WriteResponse = try frames.answer(of: stream).decoded()
            statuses.append(response.status)
            if stream % 2 == 0 { #expect(response.refusals.map(\.code) == [.eventIdReused]) }
        }
        #expect(statuses.filter { $0 == .recorded }.count == 1)
        #expect(statuses.filter { $0 == .repeated }.count == 24)
        #expect(try await client.stats().sequence == before + 1)
        await client.close()
        await server.server.drain()
    }

    @Test func aRefusalSentAfterAGrantWinsAlthoughItOvertakesIt() async throws {
        // One event a commit for grants, none held back for refusals: the refusal is recorded long before
        // the last grants that were sent before it.
        let server = try await TestServer.start { $0.limits.commitEventsMax = 1 }
        let client = try await server.admin()
        let salon = try await Salon(client)
        let frames = try FrameClient(server.address)
        var bytes: [UInt8] = []
        for stream: UInt32 in 1...100 {
            bytes += FrameClient.request(
                .grant, stream,
                Wire.GrantRequest(
                    controller: salon.controller.rawValue, contacts: subject("race\(stream)@example.fr"),
                    channels: [Wire.Channel(rawValue: 1)], purposes: [salon.promotions.rawValue],
                    notice: Wire.Bytes32(of: salon.notice), source: .widget, act: .tickedBox))
        }
        bytes += FrameClient.request(
            .withdraw, 200,
            Wire.RefusalRequest(
                controller: salon.controller.rawValue, contacts: subject("race100@example.fr")))
        frames.send(bytes)
        let granted: Wire.WriteResponse = try frames.answer(of: 100).decoded()
        let withdrawn: Wire.WriteResponse = try frames.answer(of: 200).decoded()
        #expect(granted.status == .recorded && withdrawn.status == .recorded)
        #expect(withdrawn.sequence < granted.sequence, "the refusal did not overtake: the test shows nothing")
        #expect(await client.check(salon.question(.email), .address("race99@example.fr")).reason == .consent)
        #expect(
            await client.check(salon.question(.email), .address("race100@example.fr")).reason == .withdrawn)
        await client.close()
        await server.server.drain()
    }
}
