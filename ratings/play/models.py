# SPDX-License-Identifier: Apache-2.0
"""What programs send and get below /api/play, as the OpenAPI document describes it."""

import secrets
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from cc_kernels.board import BLACK, WHITE
from minigo.go.coords import color_name, vertex_from_move
from ratings.play.game import MAX_KOMI, Setting
from ratings.play.insight import Insight
from ratings.play.session import SessionView

Color = Literal["black", "white"]
RulesName = Literal["cgos", "chinese", "chinese-ogs", "chinese-kgs", "tromp-taylor", "aga", "new-zealand"]
Phase = Literal["your_turn", "waiting", "starting", "thinking", "counting", "broken", "over"]


class NewGame(BaseModel):
    """A game to begin."""

    model_config = ConfigDict(extra="forbid")

    opponent: str | None = Field(None, max_length=100, description='a network, or "random"; the champion if left out')
    board_size: int = Field(9, ge=5, le=19)
    komi: float = Field(7.5, ge=-MAX_KOMI, le=MAX_KOMI, multiple_of=0.5, allow_inf_nan=False)
    rules: RulesName = "chinese-ogs"
    color: Literal["black", "white", "random"] = Field("black", description="yours")
    visits: int = Field(100, ge=1, le=1_000_000, description="that the opponent searches for a move")
    seconds: float = Field(5.0, gt=0, le=3600, allow_inf_nan=False, description="a move takes the opponent no longer")
    may_resign: bool = Field(False, description="whether the opponent gives up what is hopeless")

    def setting(self, opponent: str) -> Setting:
        """The setting, with the opponent that is meant. Raises PlayError where it makes no sense."""
        color = {"black": BLACK, "white": WHITE, "random": secrets.choice((BLACK, WHITE))}[self.color]
        return Setting(
            opponent=opponent,
            board_size=self.board_size,
            komi=self.komi,
            rules=self.rules,
            human=color,
            visits=self.visits,
            seconds=self.seconds,
            may_resign=self.may_resign,
        )


class NewMove(BaseModel):
    """A move of the person's."""

    model_config = ConfigDict(extra="forbid")

    vertex: str = Field(max_length=8, description='like "D4", or "pass"')
    ply: int | None = Field(None, ge=0, description="moves on the board that the person saw; checked if given")


class Wish(BaseModel):
    """Whether analyses are wanted."""

    model_config = ConfigDict(extra="forbid")

    wanted: bool


class OutcomeModel(BaseModel):
    """How a game ended."""

    kind: Literal["resign", "passes", "decided", "move_limit"]
    result: str = Field(description='as SGF writes it: "B+3.5", "W+R", "0"')
    dead: list[str] = Field(description="stones that were taken off")
    owner: list[int] = Field(description="[N²] from the top left: 1 black, -1 white, 0 neither")


class CandidateModel(BaseModel):
    """A move that was searched; numbers are for the player to move."""

    vertex: str
    visits: int
    winrate: float
    score_lead: float
    prior: float
    line: list[str]


class InsightModel(BaseModel):
    """What the engine thinks of the position on the board."""

    visits: int
    winrate_for_black: float
    score_for_black: float
    candidates: list[CandidateModel]
    policy: list[float] = Field(description="[N² + 1] from the top left, then pass")
    ownership_for_black: list[float] | None = Field(description="[N²] in -1..1")

    @classmethod
    def of(cls, insight: Insight, board_size: int) -> Self:
        """As it is sent."""
        owner = insight.ownership_for_black
        return cls(
            visits=insight.visits,
            winrate_for_black=insight.winrate_for_black,
            score_for_black=insight.score_for_black,
            candidates=[
                CandidateModel(
                    vertex=vertex_from_move(c.move, board_size),
                    visits=c.visits,
                    winrate=c.winrate,
                    score_lead=c.score_lead,
                    prior=c.prior,
                    line=[vertex_from_move(move, board_size) for move in c.line],
                )
                for c in insight.candidates
            ],
            policy=[round(float(share), 4) for share in insight.policy],
            ownership_for_black=None if owner is None else [round(float(value), 3) for value in owner.ravel()],
        )


class GameModel(BaseModel):
    """A game as it stands."""

    id: str
    version: int = Field(description="counts the game's changes")
    phase: Phase
    trouble: str | None = Field(description="why the engine does not think; then `restart` starts another one")
    status: str = Field(description="the same in words")
    opponent: str
    your_color: Color
    to_play: Color
    board_size: int
    komi: float
    rules: RulesName
    visits: int
    seconds: float
    moves: list[str]
    stones: list[int] = Field(description="[N²] from the top left: 1 black, -1 white, 0 empty")
    wants_analysis: bool
    outcome: OutcomeModel | None
    insight: InsightModel | None

    @classmethod
    def of(cls, view: SessionView) -> Self:
        """As it is sent."""
        game, setting = view.game, view.game.setting
        size, outcome = setting.board_size, view.game.outcome
        return cls.model_validate(
            {
                "id": view.game_id,
                "version": view.version,
                "phase": view.phase,
                "trouble": view.trouble,
                "status": game.described(),
                "opponent": setting.opponent,
                "your_color": color_name(setting.human),
                "to_play": color_name(game.to_play),
                "board_size": size,
                "komi": setting.komi,
                "rules": setting.rules,
                "visits": setting.visits,
                "seconds": setting.seconds,
                "moves": [vertex_from_move(move.move, size) for move in game.moves],
                "stones": game.position.board.stones.ravel().tolist(),
                "wants_analysis": view.wants_analysis,
                "outcome": None
                if outcome is None
                else OutcomeModel(
                    kind=outcome.kind,  # type: ignore[arg-type]  # one of these, which the model checks
                    result=outcome.result,
                    dead=[vertex_from_move(point, size) for point in outcome.dead],
                    owner=list(outcome.owner),
                ),
                "insight": None if view.insight is None else InsightModel.of(view.insight, size),
            }
        )


class OpponentsModel(BaseModel):
    """Whom one can play."""

    champion: str | None
    networks: list[str]
    others: list[str] = Field(description="opponents without a network")
    max_visits: int
    max_seconds: float
