// A small catalogue that most tests start from: one salon, three purposes, one notice.

import ConsentClient

/// The catalogue of a test.
public struct Salon: Sendable {
    /// The salon that grants are for.
    public let controller = ControllerID(rawValue: 7)
    /// A second salon, which the notice does not name.
    public let other = ControllerID(rawValue: 8)
    /// Purpose 1, a service: needs no consent.
    public let reminders: PurposeID
    /// Purpose 3, marketing; the notice covers it.
    public let promotions: PurposeID
    /// Purpose 4, marketing; the notice covers it.
    public let newsletter: PurposeID
    /// The notice, in French, for e-mail and SMS.
    public let notice: NoticeID
    /// What the notice says.
    public static let text = "J'accepte de recevoir des offres de Salon Lyon par e-mail et SMS."

    /// Writes the catalogue.
    /// - Parameter configure: changes to the controller.
    public init(_ client: ConsentClient, _ configure: (inout Controller) -> Void = { _ in }) async throws {
        var controller = Controller(id: controller, code: "salon-lyon", name: "Salon Lyon")
        controller.region = "FR"
        configure(&controller)
        _ = try await client.putController(controller)
        _ = try await client.putController(Controller(id: other, code: "salon-paris", name: "Salon Paris"))
        func purpose(_ number: UInt8, _ code: String, _ purposeClass: PurposeClass) async throws -> PurposeID
        {
            guard let id = PurposeID(rawValue: number) else { throw SalonError.badPurpose(number) }
            _ = try await client.putPurpose(
                Purpose(id: id, code: code, title: code.capitalized, purposeClass: purposeClass))
            return id
        }
        reminders = try await purpose(1, "reminders", .service)
        promotions = try await purpose(3, "promotions", .marketing)
        newsletter = try await purpose(4, "newsletter", .marketing)
        var notice = Notice(
            locale: "fr-FR", text: Self.text, channels: ChannelSet([.email, .sms]),
            purposes: PurposeSet([promotions, newsletter]), controllers: [self.controller])
        notice.withdrawalExplained = true
        notice.dataUseExplained = true
        notice.termsSeparate = true
        notice.box = .unticked
        self.notice = notice.id
        _ = try await client.putNotice(notice)
    }

    /// A grant by the person itself, by ticking a box of the widget.
    public func grant(
        _ addresses: [String], channels: [Channel], purposes: [PurposeID]? = nil
    ) -> Grant {
        var grant = Grant(
            controller: controller, contacts: addresses.map { WriteContact($0) },
            channels: ChannelSet(channels),
            purposes: PurposeSet(purposes ?? [promotions]), notice: notice)
        grant.source = .widget
        grant.act = .tickedBox
        return grant
    }

    /// A question about promotions.
    public func question(_ channel: Channel, _ purpose: PurposeID? = nil) -> CheckQuestion {
        CheckQuestion(controller: controller, channel: channel, purpose: purpose ?? promotions)
    }

    /// A notice of refusal about one address.
    public func refusal(_ address: String) -> RefusalNotice {
        RefusalNotice(controller: controller, subject: .contacts([WriteContact(address)]))
    }
}

/// A mistake in a test's own set-up.
public enum SalonError: Error {
    case badPurpose(UInt8)
}
