module Shop
  # A tea.
  class Tea
    def brew?
      true
    end
  end
end
